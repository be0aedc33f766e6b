"""Running text: whose words are whose, how they are cut, and when they are too few."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from hypothesis import assume, given
from hypothesis import strategies as st
from texts import running, running_data

from dropbench.data.text import check, evaluation_columns, fold, fold_whole, part
from dropbench.errors import UsageError


@given(n=st.integers(1, 300), columns=st.integers(1, 9), window=st.integers(1, 9))
def test_columns_read_on_where_they_ended_and_miss_little(n: int, columns: int, window: int) -> None:
    assume(n >= columns * window)
    folded = fold(torch.arange(n), columns, window)
    assert folded.shape[1:] == (columns, window)
    for c in range(columns):
        start = c * (n // columns)
        read = folded[:, c].flatten()
        assert torch.equal(read, torch.arange(start, start + len(read)))
        assert n // columns - len(read) < window
    assert len(folded.unique()) == folded.numel()


@given(n=st.integers(1, 300), columns=st.integers(1, 20), window=st.integers(1, 9))
def test_every_word_counts_once_where_none_may_be_left_out(n: int, columns: int, window: int) -> None:
    assume(n >= columns)
    places, counted = fold_whole(n, columns, window)
    assert places.shape == counted.shape and places.shape[1:] == (columns, window)
    assert places[counted].sort().values.tolist() == list(range(n))
    for c in range(columns):
        read = places[:, c].flatten()
        steps = read.diff()
        assert bool(((steps == 1) | ((steps == 0) & (read[1:] == n - 1))).all()), "read on, and held at the text's end"
        assert bool(counted[0, c, 0]) and bool((counted[:, c].flatten().int().diff() <= 0).all())
    assert bool(counted.flatten(1).any(1).all()), "no window for nothing"


@given(train=st.integers(2, 40), val=st.integers(2, 9), test=st.integers(2, 9), n_train=st.none() | st.integers(2, 40))
def test_each_word_of_a_part_is_predicted_once(train: int, val: int, test: int, n_train: int | None) -> None:
    """And none of another part; the first of a part from the last before it, which the first of all does not have."""
    assume(n_train is None or n_train <= train)
    table = running(train, val, test, 1)
    n = n_train or train
    for name, start, length in (("train", 1, n - 1), ("val", train, val), ("test", train + val, test)):
        words, after = part(table, name, n_train)
        assert after.tolist() == list(range(start, start + length))
        assert torch.equal(after, words + 1)


@given(words=st.integers(1, 5000), window=st.integers(1, 100))
def test_evaluation_reads_twenty_columns_or_as_many_as_there_are_windows(words: int, window: int) -> None:
    assert evaluation_columns(words, window) == (20 if words >= 20 * window else words // window)


@given(
    train=st.integers(2, 60), batch=st.integers(1, 9), window=st.integers(1, 9), n_train=st.none() | st.integers(1, 60)
)
def test_check_passes_exactly_what_gives_every_column_a_window(
    train: int, batch: int, window: int, n_train: int | None
) -> None:
    assume(n_train is None or n_train <= train)
    table = running(train, 20, 20, window)
    words, _ = part(table, "train", n_train)
    try:
        check(table, running_data(n_train=n_train), batch)
    except UsageError:
        assert len(words) < batch * window
    else:
        assert len(fold(words, batch, window)) >= 1


@pytest.mark.parametrize(
    ("over", "batch", "sentence"),
    [
        ({"label_noise": 0.25}, 2, "data.label_noise=0.25 is for classes, and data 'running' is running text"),
        ({"n_train": 101}, 2, "data.n_train=101 is too many: .* has 100 words .* data.n_train=100$"),
        ({}, 20, "^100 words .* train.batch_size=20 .* need 101: the largest possible is train.batch_size=19$"),
        ({"n_train": 11}, 3, "^11 words .* need 16: the largest possible is train.batch_size=2$"),
        ({"n_train": 4}, 1, "^4 words .* need 6: the largest possible is data.window=3$"),
    ],
)
def test_what_cannot_be_is_a_sentence(over: dict[str, Any], batch: int, sentence: str) -> None:
    with pytest.raises(UsageError, match=sentence):
        check(running(100, 20, 20, 5), running_data(**over), batch)


def test_the_limits_that_the_sentences_name_work() -> None:
    check(running(100, 20, 20, 5), running_data(), 19)
    check(running(100, 20, 20, 5), running_data(n_train=11), 2)
    check(running(100, 20, 20, 3), running_data(n_train=4), 1)
    check(running(100, 6, 7, 5), running_data(), 1)
    with pytest.raises(UsageError, match=r"data.window=5 is longer than .* largest possible is data.window=4$"):
        check(running(100, 5, 7, 5), running_data(), 1)

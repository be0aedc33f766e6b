from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import assume, given
from hypothesis import strategies as st

from dropbench.data.base import Table
from dropbench.data.split import Split, allocate, split
from dropbench.errors import UsageError

CLASSES = st.lists(st.integers(1, 40), min_size=1, max_size=6)
FRACTION = st.floats(0.05, 0.9)


def run(table: Table, raw: Any, seed: int = 0, noise_seed: int = 1, **over: Any) -> Split:
    options: dict[str, Any] = {"n_train": None, "val_fraction": 0.2, "test_fraction": 0.2, "label_noise": 0.0} | over
    return split(table, **options, split_draws=raw(seed), noise_draws=raw(noise_seed))


def same(a: torch.Tensor, b: torch.Tensor) -> bool:
    return a.tolist() == b.tolist()


@given(counts=CLASSES, seed=st.integers(0, 2**32), val=FRACTION, test=FRACTION, data=st.data())
def test_disjoint_exact_sizes_stratified(raw, table, counts, seed, val, test, data) -> None:
    t, n, k = table(counts), sum(counts), len(counts)
    n_test = round(n * test)
    rest = n - n_test
    n_train = data.draw(st.none() | st.integers(k, max(k, rest - 1)))
    assume(1 <= n_test <= n - 2)
    if n_train is None:
        sizes = (rest - round(rest * val), round(rest * val))
    else:
        assume(n_train < rest)
        sizes = (n_train, min(round(n_train * val / (1 - val)), rest - n_train))
    assume(sizes[0] >= k and sizes[1] >= 1)
    s = run(t, raw, seed, n_train=n_train, val_fraction=val, test_fraction=test)
    parts = [s.train, s.val, s.test]
    assert [len(p) for p in parts] == [*sizes, n_test]
    rows = torch.cat(parts)
    assert len(set(rows.tolist())) == len(rows)
    assert rows.min() >= 0 and rows.max() < n
    assert all(p.dtype == torch.int64 for p in (*parts, s.labels))
    assert same(s.labels, t.y[s.train])
    # Nobody but classes with a bound in their way is further than one example from the proportion.
    share = t.y[s.test].bincount(minlength=k)
    if min(counts) > 2 and n_test >= k and n_test <= n - 2 * k:
        assert share.min() >= 1
    if n_train is None and sizes[0] >= k and (t.y[torch.cat([s.train, s.val])].bincount(minlength=k) > 0).all():
        assert t.y[s.train].bincount(minlength=k).min() >= 1


@given(weights=st.lists(st.integers(0, 50), min_size=1, max_size=8).filter(any), part=st.floats(0, 1))
def test_allocate_without_bounds_is_largest_remainder(weights: list[int], part: float) -> None:
    w = np.array(weights)
    n = round(part * w.sum())
    share = allocate(n, w, low=np.zeros_like(w), high=w)
    assert share.sum() == n
    assert (abs(share - n * w / w.sum()) < 1).all()
    assert (share <= w).all()


@given(weights=st.lists(st.integers(0, 50), min_size=1, max_size=8).filter(any), part=st.floats(0, 1))
def test_allocate_keeps_bounds_where_it_can(weights: list[int], part: float) -> None:
    w = np.array(weights)
    n = round(part * w.sum())
    low, high = w >= 1, np.maximum(w - 1, np.minimum(w, 1))
    share = allocate(n, w, low=low, high=high)
    assert share.sum() == n
    assert (share >= 0).all() and (share <= w).all()
    if low.sum() <= n <= high.sum():
        assert (share >= low).all() and (share <= high).all()


def test_balanced_classes_are_divided_exactly(raw, table) -> None:
    t = table([100] * 5)
    s = run(t, raw)
    assert [t.y[p].bincount().tolist() for p in (s.train, s.val, s.test)] == [[64] * 5, [16] * 5, [20] * 5]


def test_three_of_a_class_give_one_to_each_part(raw, table) -> None:
    t = table([3, 97])
    for seed in range(5):
        s = run(t, raw, seed)
        assert [int((t.y[p] == 0).sum()) for p in (s.train, s.val, s.test)] == [1, 1, 1]


def test_validation_beside_n_train(raw, table) -> None:
    t = table([100] * 5)
    s = run(t, raw, n_train=40, val_fraction=0.2)
    assert (len(s.train), len(s.val), len(s.test)) == (40, 10, 100)
    assert t.y[s.train].bincount().tolist() == [8] * 5
    s = run(t, raw, n_train=390, val_fraction=0.5)  # more than what is left: all of it
    assert (len(s.train), len(s.val)) == (390, 10)


def test_the_official_test_split_is_used_whole(raw, table) -> None:
    official = list(range(0, 50, 5))
    s = run(table([25, 25], test=official), raw, test_fraction=0.9)
    assert sorted(s.test.tolist()) == official
    assert len(s.train) + len(s.val) == 40


def test_the_test_rows_depend_on_neither_n_train_nor_val_fraction(raw, table) -> None:
    t = table([30, 20, 10])
    tests = [run(t, raw, **o).test for o in ({}, {"n_train": 9}, {"val_fraction": 0.5}, {"label_noise": 0.5})]
    assert all(same(tests[0], other) for other in tests)


def test_seeds_differ_and_repeat(raw, table) -> None:
    t = table([30, 30])
    assert same(run(t, raw, 0).train, run(t, raw, 0).train)
    assert not same(run(t, raw, 0).train, run(t, raw, 1).train)


def test_rows_come_in_random_order(raw, table) -> None:
    t = table([50, 50])
    assert t.y[run(t, raw).train][:20].unique().tolist() == [0, 1]


@pytest.mark.parametrize("fraction", [0.0, 0.1, 0.5, 1.0])
def test_label_noise_strikes_its_share(raw, table, fraction) -> None:
    t = table([1000] * 5)
    s, clean = run(t, raw, label_noise=fraction), run(t, raw)
    assert all(same(getattr(s, p), getattr(clean, p)) for p in ("train", "val", "test"))
    changed = (s.labels != clean.labels).sum().item()
    n, expected = len(s.train), fraction * 4 / 5  # one in five keeps its label
    assert changed == pytest.approx(n * expected, abs=4 * (n * expected * (1 - expected) + 1) ** 0.5)
    assert changed <= round(n * fraction)
    assert set(s.labels.tolist()) <= set(range(5))


def test_a_replaced_label_is_any_label(raw, table) -> None:
    t = table([1000] * 4)
    s = run(t, raw, label_noise=1.0)
    together = torch.bincount(t.y[s.train] * 4 + s.labels, minlength=16)
    assert (abs(together - len(s.train) / 16) < 5 * (len(s.train) / 16) ** 0.5).all()


def test_noise_is_nested_and_leaves_the_split_alone(raw, table) -> None:
    t = table([100] * 3)
    clean, some, more = (run(t, raw, label_noise=f).labels for f in (0.0, 0.3, 0.6))
    struck = some != clean
    assert same(some[struck], more[struck])
    other = run(t, raw, noise_seed=2, label_noise=0.3)
    assert same(other.train, run(t, raw).train)
    assert not same(other.labels, some)


def official(table: Any, counts: list[int], train: list[int] | None = None) -> Table:
    """Every fifth row is test, and the row after it validation."""
    t = table(counts, test=list(range(0, sum(counts), 5)))
    rows = None if train is None else torch.tensor(train)
    return dataclasses.replace(t, val=torch.arange(1, sum(counts), 5), train=rows)


@given(seed=st.integers(0, 2**32), val=FRACTION, test=FRACTION)
def test_an_official_validation_split_leaves_nothing_to_draw(raw, table, seed, val, test) -> None:
    t = official(table, [25, 15])
    s = run(t, raw, seed, val_fraction=val, test_fraction=test)
    parts = [sorted(p.tolist()) for p in (s.train, s.val, s.test)]
    assert parts[1:] == [list(range(1, 40, 5)), list(range(0, 40, 5))]
    assert parts[0] == [i for i in range(40) if i % 5 > 1]
    assert same(s.labels, t.y[s.train])


def test_official_training_rows_are_used_whole_and_no_other(raw, table) -> None:
    s = run(official(table, [25, 15], train=[2, 3, 37, 39]), raw)
    assert sorted(s.train.tolist()) == [2, 3, 37, 39]
    assert (len(s.val), len(s.test)) == (8, 8)


@given(seed=st.integers(0, 2**32), n=st.integers(2, 24))
def test_n_train_of_official_training_rows_is_stratified(raw, table, seed, n) -> None:
    t = official(table, [25, 15])
    s = run(t, raw, seed, n_train=n)
    counts = t.y[s.train].bincount(minlength=2)
    assert counts.sum() == n and abs(counts[0] - n * 15 / 24) < 1 and counts.min() >= 1
    assert not set(s.train.tolist()) & {*s.val.tolist(), *s.test.tolist()}


@pytest.mark.parametrize(
    ("n", "sentence"),
    [(25, "data.n_train=25 is too many: data 'toy' has 24 training examples .* data.n_train=24$"), (1, "too few")],
)
def test_n_train_of_official_training_rows_has_limits(raw, table, n, sentence) -> None:
    with pytest.raises(UsageError, match=sentence):
        run(official(table, [25, 15]), raw, n_train=n)


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"n_train": 1}, "data.n_train=1 is too few: .* smallest possible .* data.n_train=2$"),
        (
            {"n_train": 16},
            "data.n_train=16 is too many: .* has 16 examples .* largest possible is 15, and values up to 13",
        ),
        ({"n_train": 1000}, "data.n_train=1000 is too many: .* largest possible is 15"),
        ({"n_train": 2, "val_fraction": 0.1}, "data.val_fraction=0.1 with data.n_train=2 gives an empty validation"),
        ({"val_fraction": 0.01}, "data.val_fraction=0.01 of the 16 examples .* 16 for training and 0 for validation"),
        ({"val_fraction": 0.95}, "data.val_fraction=0.95 .* leaves 1 for training and 15 for validation"),
        ({"test_fraction": 0.001}, "data.test_fraction=0.001 gives a test split of 0 of the 20 examples"),
        ({"test_fraction": 0.99}, "data.test_fraction=0.99 gives a test split of 20"),
    ],
)
def test_too_few_examples_is_a_sentence(raw, table, options, sentence) -> None:
    with pytest.raises(UsageError, match=sentence):
        run(table([10, 10]), raw, **options)


def test_the_largest_n_train_that_the_sentence_names_works(raw, table) -> None:
    s = run(table([10, 10]), raw, n_train=15)
    assert (len(s.train), len(s.val)) == (15, 1)
    s = run(table([10, 10]), raw, n_train=13)
    assert (len(s.train), len(s.val)) == (13, 3)

"""Batches of running text: what is read, in what order, and what is counted."""

from __future__ import annotations

import torch
from hypothesis import assume, given
from hypothesis import strategies as st
from texts import running, running_data
from training import CPU

from dropbench.engine.text_batches import TextBatches


@given(
    train=st.integers(2, 400), n_train=st.none() | st.integers(2, 400), val=st.integers(9, 200), batch=st.integers(1, 9),
    window=st.integers(1, 8),
)  # fmt: skip
def test_an_epoch_reads_the_training_text_in_order(
    train: int, n_train: int | None, val: int, batch: int, window: int
) -> None:
    n = n_train or train
    assume(batch * window + 1 <= n <= train)
    batches = TextBatches(running(train, val, 30, window), running_data(n_train=n_train), batch, [0], CPU)
    read = list(batches.epoch())
    assert len(read) == batches.steps == (n - 1) // batch // window
    x, y = (torch.stack([getattr(b, side)[0] for b in read]) for side in ("x", "y"))
    assert x.shape == y.shape == (batches.steps, batch, window) and x.dtype == y.dtype == torch.int64
    assert torch.equal(y, x + 1)  # the next word, across the windows' ends too
    assert y.max() < n
    columns = x.movedim(0, 1).flatten(1)
    assert (columns.diff(dim=1) == 1).all()  # a window goes on where the one before it ended
    assert len(columns.unique()) == columns.numel() == batches.part_sizes()["train"]
    assert torch.equal(next(batches.epoch()).x, read[0].x)  # an epoch is like any other


@given(train=st.integers(50, 300), val=st.integers(9, 200), test=st.integers(9, 60), batch=st.integers(1, 6))
def test_parts_are_read_in_few_columns_that_the_batch_size_does_not_change(
    train: int, val: int, test: int, batch: int
) -> None:
    window = 8
    table = running(train, val, test, window)
    batches = TextBatches(table, running_data(), batch, [0], CPU)
    first = min(train - 1, val)
    for part, start, n in (("train", 1, first), ("val", train, val), ("test", train + val, test)):
        read = list(batches.part(part, 1000))
        assert {tuple(b.x.shape) for b in read} == {(1, min(20, n // window), window)}
        everything = torch.ones(read[0].y.shape[1:], dtype=torch.bool)
        told = torch.cat([b.y[0][everything if b.counted is None else b.counted] for b in read])
        assert told.sort().values.tolist() == list(range(start, start + n)), "each word once, whatever the window"
        assert torch.equal(batches.rows(part)[0], told), "every word tells its place"
        x, y = (torch.cat([getattr(b, side)[0] for b in read], 1) for side in ("x", "y"))
        assert torch.equal(y, x + 1) or part == "test"
        if part != "train":
            assert batches.part_sizes()[part] == n
    other = TextBatches(table, running_data(), 1, [5, 6], CPU)
    for a, b in zip(batches.part("val", 1), other.part("val", 9), strict=True):
        assert torch.equal(a.x, b.x[:1]) and torch.equal(a.y, b.y[1:])


def test_the_training_side_of_the_gap_is_as_long_as_validation() -> None:
    batches = TextBatches(running(5000, 300, 200, 7), running_data(), 4, [0], CPU)
    shapes = {part: [b.x.shape for b in batches.part(part, 128)] for part in ("train", "val")}
    assert shapes["train"] == shapes["val"]


def test_replicas_share_one_copy_of_the_text() -> None:
    batches = TextBatches(running(500, 100, 100, 7), running_data(), 4, [2, 0, 2], CPU)
    left = batches.narrowed(torch.tensor([2, 0]))
    (one, alone), *_ = zip(batches.epoch(), left.epoch(), strict=True)
    assert one.x.shape == one.y.shape == (3, 4, 7) and alone.x.shape == (2, 4, 7)
    assert one.x.stride(0) == 0 and torch.equal(one.x[0], one.x[2]) and torch.equal(one.x[:2], alone.x)
    assert (left.part_sizes(), left.steps) == (batches.part_sizes(), batches.steps)


def test_a_text_by_hand() -> None:
    """15 words, of which the last predicts nothing; 2 columns of 7; windows of 3, so that the seventh is left out."""
    batches = TextBatches(running(15, 4, 8, 3), running_data(), 2, [0], CPU)
    first, second = batches.epoch()
    assert first.x.tolist() == [[[0, 1, 2], [7, 8, 9]]] and first.y.tolist() == [[[1, 2, 3], [8, 9, 10]]]
    assert second.x.tolist() == [[[3, 4, 5], [10, 11, 12]]] and second.y.tolist() == [[[4, 5, 6], [11, 12, 13]]]
    val, end = batches.part("val", 128)
    assert val.x.tolist() == [[[14, 15, 16]]] and val.y.tolist() == [[[15, 16, 17]]] and val.counted is None
    assert (
        end.y.tolist() == [[[18, 18, 18]]]
        and end.counted is not None
        and end.counted.tolist() == [[True, False, False]]
    )
    test, end = batches.part("test", 128)
    assert test.y.tolist() == [[[19, 20, 21], [23, 24, 25]]] and test.counted is None
    assert end.y.tolist() == [[[22, 23, 24], [26, 26, 26]]]
    assert end.counted is not None and end.counted.tolist() == [[True, False, False], [True, False, False]]
    assert batches.part_sizes() == {"train": 12, "val": 4, "test": 8}

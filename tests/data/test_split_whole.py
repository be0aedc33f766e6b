"""Splits that keep what belongs together: rows of a group in one part, what came earlier before what came later."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from dropbench.data.base import Table
from dropbench.data.split import Split, split
from dropbench.errors import UsageError

GROUPS = st.lists(st.integers(1, 12), min_size=3, max_size=30)


def parted(table: Table, raw: Any, seed: int = 0, **over: Any) -> Split:
    options: dict[str, Any] = {"n_train": None, "val_fraction": 0.25, "test_fraction": 0.2, "label_noise": 0.0} | over
    return split(table, **options, split_draws=raw(seed), noise_draws=raw(seed + 1))


def grouped(sizes: list[int], test: list[int] | None = None) -> Table:
    """Rows of groups of these sizes, in an order in which no group lies together."""
    groups = np.random.default_rng(0).permutation(np.repeat(np.arange(len(sizes)), sizes))
    n = len(groups)
    rows = None if test is None else torch.tensor(test)
    y = torch.linspace(0, 1, n)
    x = torch.arange(n, dtype=torch.float32)[:, None]
    return Table("toy", x, y, "F", 1, rows, task="regress", groups=torch.from_numpy(groups))


def timed(times: list[float], test: list[int] | None = None) -> Table:
    n = len(times)
    rows = None if test is None else torch.tensor(test)
    x = torch.arange(n, dtype=torch.float32)[:, None]
    made = torch.tensor(times, dtype=torch.float64)
    return Table("toy", x, torch.linspace(0, 1, n), "F", 1, rows, task="regress", times=made)


@given(sizes=GROUPS, seed=st.integers(0, 2**32))
def test_every_group_is_in_one_part_and_every_row_in_a_part(raw, sizes: list[int], seed: int) -> None:
    table = grouped(sizes)
    assert table.groups is not None
    found = parted(table, raw, seed)
    parts = [found.train, found.val, found.test]
    assert sorted(torch.cat(parts).tolist()) == list(range(sum(sizes)))
    groups = [set(table.groups[rows].tolist()) for rows in parts]
    assert all(groups) and sum(map(len, groups)) == len(set.union(*groups))


@given(sizes=GROUPS, seed=st.integers(0, 2**32))
def test_a_part_has_its_share_within_half_of_a_group(raw, sizes: list[int], seed: int) -> None:
    """As far as there are enough groups for the others; the first group that a part takes may be larger than its share."""
    n, largest = sum(sizes), max(sizes)
    found = parted(grouped(sizes), raw, seed)
    for part, wanted in ((found.test, round(n * 0.2)), (found.val, round((n - len(found.test)) * 0.25))):
        assert len(part) - wanted <= max(largest / 2, largest - wanted)
        if len(sizes) > 12:  # so many that a group that fits is always left
            assert wanted - len(part) <= largest


def test_seeds_differ_and_repeat(raw) -> None:
    table = grouped([3] * 20)
    assert parted(table, raw, 1).test.tolist() == parted(table, raw, 1).test.tolist()
    assert parted(table, raw, 1).test.tolist() != parted(table, raw, 2).test.tolist()


def test_every_group_is_tested_now_and_then(raw) -> None:
    table = grouped([2] * 10)
    assert table.groups is not None
    tested = [set(table.groups[parted(table, raw, seed).test].tolist()) for seed in range(40)]
    assert set.union(*tested) == set(range(10))


def test_groups_beside_an_official_test_split(raw) -> None:
    table = grouped([3] * 12, test=[0, 5, 7])
    assert table.groups is not None
    found = parted(table, raw)
    assert sorted(found.test.tolist()) == [0, 5, 7]
    assert not set(table.groups[found.train].tolist()) & set(table.groups[found.val].tolist())


@pytest.mark.parametrize(
    ("sizes", "over", "message"),
    [
        ([5, 5], {}, "has 2 groups, but training, validation and test each need one"),
        ([5] * 5, {"n_train": 10}, "data.n_train=10 with data.group: groups are kept whole"),
        ([5] * 5, {"test_fraction": 0.999}, "data.test_fraction=0.999"),
    ],
)
def test_what_groups_cannot_be_is_told(raw, sizes: list[int], over: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        parted(grouped(sizes), raw, **over)


TIMES = st.lists(st.integers(0, 50).map(float), min_size=12, max_size=60)


@given(times=TIMES, seed=st.integers(0, 2**32), n_train=st.none() | st.integers(3, 5))
def test_earlier_rows_train_and_later_ones_test(raw, times: list[float], seed: int, n_train: int | None) -> None:
    table = timed(times)
    assert table.times is not None
    found = parted(table, raw, seed, n_train=n_train)
    train, val, test = (table.times[rows] for rows in (found.train, found.val, found.test))
    assert train.max() <= val.min() and val.max() <= test.min()
    n_test = round(len(times) * 0.2)
    assert len(found.test) == n_test and len(found.val) >= 1
    if n_train is None:
        assert len(found.train) == len(times) - n_test - round((len(times) - n_test) * 0.25)
    else:  # the latest of those that could be
        assert len(found.train) == n_train
        left = set(range(len(times))) - set(torch.cat([found.train, found.val, found.test]).tolist())
        assert all(table.times[row] <= train.min() for row in left)
    assert found.train.tolist() == parted(table, raw, seed + 1, n_train=n_train).train.tolist()


def test_rows_of_one_time_keep_their_order(raw) -> None:
    found = parted(timed([7.0] * 20), raw)
    assert [*found.train.tolist(), *found.val.tolist(), *found.test.tolist()] == list(range(20))


def test_time_beside_an_official_test_split(raw) -> None:
    found = parted(timed([float(20 - i) for i in range(20)], test=[0, 10]), raw)
    assert sorted(found.test.tolist()) == [0, 10]
    assert found.train.min() > found.val.max()  # earlier rows stand below


def test_groups_and_time_exclude_each_other() -> None:
    with pytest.raises(UsageError, match="not by both"):
        dataclasses.replace(timed([1.0] * 5), groups=torch.zeros(5, dtype=torch.int64))


def test_numbers_have_no_labels_to_be_wrong(raw) -> None:
    with pytest.raises(UsageError, match=r"label_noise=0\.1 replaces classes"):
        parted(timed([1.0] * 20), raw, label_noise=0.1)

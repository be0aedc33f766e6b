"""Splits by group, which keep the rows of a group together, and by time, with earlier rows for training."""

from __future__ import annotations

import numpy as np

from dropbench.data.base import Table
from dropbench.data.part_sizes import Counts, Parts, n_tested, sizes
from dropbench.data.raw_draws import RawDraws, permutation
from dropbench.errors import UsageError


def by_group(
    table: Table, n_train: int | None, val_fraction: float, test_fraction: float, split_draws: RawDraws
) -> Parts:
    """Assigns whole groups, in random order, to the test split until it has its share, then to validation, then to training.

    Each split has its share of the rows to within half a group, so the number of training rows differs between seeds.

    Raises
    ------
    UsageError
        If there are fewer than three groups, if n_train is given, or if there are too few rows.
    """
    assert table.groups is not None
    if n_train is not None:
        raise UsageError(f"data.n_train={n_train} with data.group: groups are kept whole; remove data.n_train")
    groups = table.groups.numpy()
    free = np.ones(len(groups), dtype=bool)
    if table.test is not None:
        free[table.test.numpy()] = False
    names, place, counts = np.unique(groups[free], return_inverse=True, return_counts=True)
    parts = 2 if table.test is not None else 3
    if len(names) < parts:
        raise UsageError(
            f"data '{table.name}' has {len(names)} groups, but training, validation and test each need one"
        )
    order = permutation(split_draws(len(names)))
    # Each split goes through the groups in turn and takes one if this brings it nearer to its share.
    rows = np.flatnonzero(free)
    if table.test is None:
        tested, order = _taken(order, counts, n_tested(table, test_fraction), leave=2)
        test = rows[np.isin(place, tested)]
    else:
        test = table.test.numpy()
    left = int(counts[order].sum())
    validated, order = _taken(order, counts, max(1, round(left * val_fraction)), leave=1)
    return rows[np.isin(place, order)], rows[np.isin(place, validated)], test


def by_time(
    table: Table, n_train: int | None, val_fraction: float, test_fraction: float, split_draws: RawDraws
) -> Parts:
    """Uses the latest rows for test, those before for validation and the earliest for training, the same for every seed.

    Rows with the same time keep the order of the table. If not all training rows are used, the latest ones are.

    Raises
    ------
    UsageError
        If there are too few rows.
    """
    assert table.times is not None
    order = np.argsort(table.times.numpy(), kind="stable")
    if table.test is None:
        n_test = n_tested(table, test_fraction)
        order, test = order[:-n_test], order[-n_test:]
    else:
        test = table.test.numpy()
        order = order[~np.isin(order, test)]
    train_size, n_val = sizes(table, len(order), n_train, val_fraction)
    before = order[: len(order) - n_val]
    return before[len(before) - train_size :], order[len(order) - n_val :], test


def _taken(order: Counts, counts: Counts, wanted: int, leave: int) -> tuple[Counts, Counts]:
    """Returns groups (at least one) with about `wanted` rows, and the others, of which at least `leave` remain."""
    kept, rest, total = list[int](), list[int](), 0
    for i, group in enumerate(order.tolist()):
        size = int(counts[group])
        left = len(rest) + len(order) - i - 1
        nearer = not kept or abs(total + size - wanted) < abs(total - wanted)
        if nearer and left >= leave:
            kept.append(group)
            total += size
        else:
            rest.append(group)
    return np.array(kept, dtype=np.int64), np.array(rest, dtype=np.int64)

"""The numbers of rows for training, validation and test."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from dropbench.data.base import Table
from dropbench.errors import UsageError

Counts = NDArray[np.int64]
"""One integer for each class, or for each row."""
Parts = tuple[Counts, Counts, Counts]
"""Rows for training, validation and test."""


def n_tested(table: Table, fraction: float) -> int:
    """Returns the number of test examples; raises UsageError if a split would be empty."""
    n = round(len(table.y) * fraction)
    if not 1 <= n <= len(table.y) - 2:
        raise UsageError(
            f"data.test_fraction={fraction} gives a test split of {n} of the {len(table.y)} examples of data "
            f"'{table.name}': each of training, validation and test needs at least one"
        )
    return n


def sizes(table: Table, rest: int, n_train: int | None, fraction: float) -> tuple[int, int]:
    """Divides `rest` examples into training and validation; raises UsageError if one of them gets too few."""
    if n_train is None:
        n_val = round(rest * fraction)
        if n_val < 1 or rest - n_val < table.n_classes:
            raise UsageError(
                f"data.val_fraction={fraction} of the {rest} examples of data '{table.name}' outside its test split "
                f"leaves {rest - n_val} for training and {n_val} for validation: training needs at least "
                f"{table.n_classes}, one of each class, and validation 1"
            )
        return rest - n_val, n_val
    check_classes(table, n_train)
    if n_train >= rest:
        raise UsageError(
            f"data.n_train={n_train} is too many: data '{table.name}' has {rest} examples outside its test split, and "
            f"validation needs some of them; the largest possible is {rest - 1}, and values up to "
            f"{rest - round(rest * fraction)} leave the share data.val_fraction={fraction} for validation"
        )
    n_val = round(n_train * fraction / (1 - fraction))
    if n_val < 1:
        raise UsageError(
            f"data.val_fraction={fraction} with data.n_train={n_train} gives an empty validation split: raise one of them"
        )
    return n_train, min(n_val, rest - n_train)


def check_classes(table: Table, n_train: int) -> None:
    """Raises UsageError for fewer training examples than classes."""
    if n_train < table.n_classes:
        raise UsageError(
            f"data.n_train={n_train} is too few: data '{table.name}' has {table.n_classes} classes, and the smallest "
            f"possible is one example of each, data.n_train={table.n_classes}"
        )

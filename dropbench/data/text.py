"""Running text: which words are whose, and how a text is cut into columns of windows that are read in order.

A text of n words is folded into `columns` contiguous pieces of equal length, which are read side by side, `window` words
at a time; so a window goes on, in every column, where the window before it ended, and a model can carry its state.
"""

from __future__ import annotations

import torch
from torch import Tensor

from dropbench.data.base import Table
from dropbench.errors import UsageError
from dropbench.spec import DataSpec

EVALUATION_COLUMNS = 20
"""Columns in evaluation, whatever the batch size: few, as each begins without a past, and as many as a product likes."""


def part(table: Table, name: str, n_train: int | None) -> tuple[Tensor, Tensor]:
    """The words of `train`, `val` or `test`, and the word after each, both [n]; of training text the first `n_train`.

    A part's last word is read by nobody: the word after it is not in the part.
    """
    assert table.val is not None and table.test is not None  # Table says so.
    if name == "train":
        rows = torch.arange(_training_words(table) if n_train is None else n_train)
    else:
        rows = table.val if name == "val" else table.test
    return table.x[rows[:-1], 0], table.y[rows[:-1]]


def fold(words: Tensor, columns: int, window: int) -> Tensor:
    """[windows, columns, window] of words [n]. What is over of columns and windows of equal length is left out."""
    length = len(words) // columns
    windows = length // window
    pieces = words[: columns * length].view(columns, length)[:, : windows * window]
    return pieces.reshape(columns, windows, window).movedim(1, 0).contiguous()


def evaluation_columns(words: int, window: int) -> int:
    """Fewer than `EVALUATION_COLUMNS` where a text is too short to give each a window."""
    return min(EVALUATION_COLUMNS, words // window)


def check(table: Table, data: DataSpec, batch_size: int) -> None:
    """Raises UsageError where the text is too short, or is asked for what running text has not."""
    assert table.window is not None and table.val is not None and table.test is not None
    if data.label_noise:
        raise UsageError(
            f"data.label_noise={data.label_noise:g} is for classes, and data '{table.name}' is running text, whose "
            "labels are its own words: leave it out"
        )
    n, window = _training_words(table), table.window
    if data.n_train is not None and data.n_train > n:
        raise UsageError(
            f"data.n_train={data.n_train} is too many: data '{table.name}' has {n} words of training text, and the "
            f"largest possible is data.n_train={n}"
        )
    n = data.n_train or n
    if n < batch_size * window + 1:
        at_most = f"train.batch_size={(n - 1) // window}" if n > window else f"data.window={n - 1}"
        raise UsageError(
            f"{n} words of training text of data '{table.name}' are too few for train.batch_size={batch_size} columns of "
            f"one window of {window} words, which take {batch_size * window + 1}: the largest possible is {at_most}"
        )
    shortest = min(len(table.val), len(table.test))
    if shortest < window + 1:
        raise UsageError(
            f"data.window={window} is longer than the validation or test text of data '{table.name}': the largest "
            f"possible is data.window={shortest - 1}"
        )


def _training_words(table: Table) -> int:
    assert table.val is not None
    return int(table.val[0])

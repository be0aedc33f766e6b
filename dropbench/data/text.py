"""Running text: its training, validation and test splits, and its division into windows that are read in order.

A text of n words is cut into `columns` contiguous pieces of equal length, which are read in parallel, `window` words at a
time. So in every column a window continues where the previous window ended, and a model can carry its state.
"""

from __future__ import annotations

import torch
from torch import Tensor

from dropbench.data.base import Table
from dropbench.errors import UsageError
from dropbench.spec import DataSpec

EVALUATION_COLUMNS = 20
"""Columns in evaluation, for every batch size: few, because each begins without context, but enough for fast products."""


def part(table: Table, name: str, n_train: int | None) -> tuple[Tensor, Tensor]:
    """Returns the words of a split and the next word of each, which is the target, both [n] int64.

    Every word of a split is predicted once, the first one from the last word before the split. Only the very first word of
    the text is not predicted.

    Parameters
    ----------
    name : {"train", "val", "test"}
        The split.
    n_train : int or None
        Use only this many words from the start of the training text; None: all.
    """
    read = rows(table, name, n_train) - 1
    return table.x[read, 0], table.y[read]


def rows(table: Table, name: str, n_train: int | None) -> Tensor:
    """Returns the row numbers of the words of a split that are predicted, in order."""
    assert table.val is not None and table.test is not None  # Table says so.
    if name == "train":
        return torch.arange(1, _training_words(table) if n_train is None else n_train)
    return table.val if name == "val" else table.test


def fold(words: Tensor, columns: int, window: int) -> Tensor:
    """Cuts words [n] into windows, [windows, columns, window]; leaves out words that do not fill a window in every column."""
    length = len(words) // columns
    windows = length // window
    pieces = words[: columns * length].view(columns, length)[:, : windows * window]
    return pieces.reshape(columns, windows, window).movedim(1, 0).contiguous()


def fold_whole(n: int, columns: int, window: int) -> tuple[Tensor, Tensor]:
    """Returns the places of all n words in windows, [windows, columns, window], and which of them count, as bool.

    The columns are contiguous pieces, some of them longer by one word. The last windows are filled up with the words that
    follow, which do not count; after the end of the text, with its last word.
    """
    starts = torch.arange(columns + 1) * n // columns
    longest = int(starts.diff().max())
    places = starts[:-1, None] + torch.arange(-(-longest // window) * window)
    counted = places < starts[1:, None]
    whole, those = (t.unflatten(1, (-1, window)).movedim(1, 0) for t in (places.clamp(max=n - 1), counted))
    return whole, those


def evaluation_columns(words: int, window: int) -> int:
    """Returns `EVALUATION_COLUMNS`, or fewer if a text of `words` words is too short to give each column a window."""
    return min(EVALUATION_COLUMNS, words // window)


def check(table: Table, data: DataSpec, batch_size: int) -> None:
    """Checks the settings for running text.

    Parameters
    ----------
    table : Table
        The text.
    data : DataSpec
        Its settings.
    batch_size : int
        Columns in training.

    Raises
    ------
    UsageError
        If the text is too short, or if there is label noise, which is only for classes.
    """
    assert table.window is not None and table.val is not None and table.test is not None
    if data.label_noise:
        raise UsageError(
            f"data.label_noise={data.label_noise:g} is for classes, and data '{table.name}' is running text, whose "
            "labels are its own words: remove data.label_noise"
        )
    n, window = _training_words(table), table.window
    if data.n_train is not None and data.n_train > n:
        raise UsageError(
            f"data.n_train={data.n_train} is too many: data '{table.name}' has {n} words of training text; the "
            f"largest possible is data.n_train={n}"
        )
    n = data.n_train or n
    if n < batch_size * window + 1:
        at_most = f"train.batch_size={(n - 1) // window}" if n > window else f"data.window={n - 1}"
        raise UsageError(
            f"{n} words of training text of data '{table.name}' are too few for train.batch_size={batch_size} columns with "
            f"a window of {window} words, which need {batch_size * window + 1}: the largest possible is {at_most}"
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

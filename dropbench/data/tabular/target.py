"""The target: a class or a number, decided from the column's cells unless the user sets it."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from dropbench.data.tabular.alike import alike, asked
from dropbench.data.tabular.columns import check_writing, numbers, numbers_of, texts
from dropbench.errors import UsageError
from dropbench.values import count

if TYPE_CHECKING:
    import pandas as pd

Asked = Literal["auto", "classify", "regress"]
FEW = 20
"""Up to this many different integers are read as classes; more are read as numbers."""
_EXACT = 1e-3
"""The largest change by float32, relative to a target's standard deviation."""
_ROWS_A_CLASS = 5
"""With fewer rows per class on average, the column is taken for names of rows."""


@dataclass(frozen=True)
class Target:
    """y: [n] int64 classes, in the order of `classes`, or float32 numbers. notes: remarks on how it was read."""

    task: Literal["classify", "regress"]
    y: Tensor
    classes: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


def one_column(y: NDArray[Any]) -> NDArray[Any]:
    """Returns targets [n, 1] as [n], and others as they are."""
    return y[:, 0] if y.ndim == 2 and y.shape[1] == 1 else y


def one_each(y: NDArray[Any]) -> str:
    """Returns what to give for targets that are not one value per row, for messages."""
    if y.ndim != 2:
        return "y must be one value per row of x"
    if y.dtype.kind in "biuf" and bool(((y == 0) | (y == 1)).all()) and bool((y.sum(1) == 1).all()):
        return "y holds a 1 at the class of each row: give y.argmax(1)"
    return (
        "several targets per row, such as several labels, cannot be learned together: give one column, such as y[:, 0]"
    )


def target_of(cells: pd.Series, task: Asked) -> Target:
    """Reads the target column, in which no cell is empty.

    auto: texts, booleans, two different values, and up to 20 different integers are classes; other numbers are numbers.

    Raises
    ------
    UsageError
        For a constant target, for texts that should be numbers, for numbers that float32 cannot distinguish, for nearly as
        many classes as rows, and for a class with a single row.
    """
    name, different = str(cells.name), cells.nunique()
    if different < 2:
        raise UsageError(f"the target '{name}': all rows have the same value, so there is nothing to predict")
    values = numbers(cells)
    if values is None:
        _check_finite(cells)
    whole = values is not None and bool((values == np.floor(values)).all())
    if task == "regress" and values is None:
        wrong = next(v for v in texts(cells) if numbers_of([v]) is None)
        raise UsageError(
            f"data.task=regress: the column '{name}' contains {wrong!r}, which is not a number; type data.task=classify"
        )
    if task == "regress" or (
        task == "auto" and values is not None and different > 2 and not (whole and different <= FEW)
    ):
        assert values is not None
        return Target("regress", torch.from_numpy(_in_float32(name, values)))
    if values is None and task == "auto":
        check_writing(cells)
    if different * _ROWS_A_CLASS > len(cells) and different > 2:
        number = "; for regression: data.task=regress" if values is not None else ""
        raise UsageError(
            f"the target '{name}': {different} different values in {count(len(cells), 'row')} are too many for classes and "
            f"look like names of rows{number}"
        )
    labels = texts(cells)
    known = sorted(set(labels), key=float) if values is not None else sorted(set(labels))
    place = {label: i for i, label in enumerate(known)}
    notes = [*_few_rows(name, labels), *asked(f"the target '{name}'", "classes", known)]
    if task == "auto" and values is not None and different > 2:
        notes.append(
            f"{different} integers in the target '{name}' are read as classes; data.task=regress reads them as numbers"
        )
    return Target("classify", torch.tensor([place[label] for label in labels]), tuple(known), tuple(notes))


def _check_finite(cells: pd.Series) -> None:
    """Raises UsageError for numbers of which some are infinite."""
    found = texts(cells)
    at = [i for i, text in enumerate(found) if re.fullmatch(r"[+-]?inf(inity)?", text.strip(), re.IGNORECASE)]
    rest = [text for i, text in enumerate(found) if i not in set(at)]
    if at and rest and numbers_of(rest) is not None:
        raise UsageError(
            f"the target '{cells.name}' contains {found[at[0]]} in {count(len(at), 'row')}, the first of which is row "
            f"{int(cells.index[at[0]]) + 1}: remove such rows, or write what they stand for"
        )


def _few_rows(name: str, labels: Sequence[str]) -> list[str]:
    """Returns a note on a class of two rows. Raises UsageError for a class of one row."""
    rows = Counter(labels)
    fewest = min(rows.values())
    few = [label for label in rows if rows[label] == fewest]
    others = len(few) - 1
    more = f", and so {'does 1 other' if others == 1 else f'do {others} others'}" if others else ""
    if fewest == 1:
        twin = next((other for group in alike(rows) if few[0] in group for other in group if other != few[0]), None)
        mend = "remove such rows" if twin is None else f"if it is the class {twin!r}, write it so"
        if numbers_of(labels) is not None and len(rows) > 2:
            mend += "; or, if these are amounts, read them as numbers: data.task=regress"
        raise UsageError(
            f"the target '{name}': the class {few[0]!r} occurs in a single row{more}; a class needs one row for training and "
            f"one for test: {mend}"
        )
    if fewest > 2:
        return []
    return [
        f"the class {few[0]!r} of the target '{name}' occurs in two of {count(len(labels), 'row')}{more}, which is too few to "
        "learn it and to test it: remove such rows, or write them as another class"
    ]


def _in_float32(name: str, values: NDArray[np.float64]) -> NDArray[np.float32]:
    """Converts to float32. Raises UsageError if this would change numbers by more than a thousandth of their spread."""
    with np.errstate(over="ignore"):
        kept = values.astype(np.float32)
    if not np.isfinite(kept).all():
        raise UsageError(
            f"the target '{name}': {values[~np.isfinite(kept)][0]:g} is too large; write it in another unit"
        )
    if not values.std() or np.abs(kept - values).max() > _EXACT * values.std():
        raise UsageError(
            f"the target '{name}': its numbers, such as {texts([values[0]])[0]}, differ too little for their size; "
            f"subtract {values.mean():.3g} from all of them, or type data.task=classify"
        )
    return kept

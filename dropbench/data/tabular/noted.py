"""What a user should know about how a table was read, in sentences that say what to type."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import numpy as np
import torch

from dropbench.data.tabular.alike import asked
from dropbench.data.tabular.columns import MISSING, Column, numbers
from dropbench.data.tabular.target import Target
from dropbench.errors import listed
from dropbench.values import count

if TYPE_CHECKING:
    import pandas as pd
    from numpy.typing import NDArray

LEVELS = 100
"""Notes report a category with more one-hot inputs than this."""
_TOLD = 5
"""The number of columns that a note names."""
_FEW_TWICE = 0.01
"""Notes report duplicated inputs, and ids that several rows share, only above this share of rows."""
_IDS = 10
"""A column with fewer different values than this does not name the customers or patients whom the rows are about."""
_WHO = (
    "customer|client|user|member|patient|subject|person|people|participant|respondent|student|pupil|employee|player|driver"
    "|account|household|family|donor|animal|device|machine|session"
)
_ID = re.compile(rf"(?i:({_WHO})s?[\W_]*(id|no|nr|num|number|key|code)?|(.*[\W_])?(id|ids|uid|uuid|guid))|.*[a-z]I[Dd]")
"""Headings of columns that name whom a row is about: customer, patient_no, PatientID, household_id."""


def notes_on(
    found: Sequence[Column], raw: NDArray[np.float64], told: Target, tested: NDArray[np.bool_]
) -> Iterator[str]:
    """Yields what a user should know about these columns.

    Parameters
    ----------
    found : sequence of Column
        All columns that could be inputs.
    raw : array [n, columns that are inputs]
        Their cells as numbers.
    told : Target
        The target.
    tested : array [n] of bool
        The rows of the user's test file.
    """
    if left := unused(found):
        yield f"columns that are not used: {left}"
    yield from _doubtful([c for c in found if c.used and c.told])
    yield from _alike(found)
    twice = len(raw) - len(np.unique(np.where(np.isnan(raw), np.inf, raw), axis=0))
    if twice > _FEW_TWICE * len(raw):
        yield f"{twice:,} of {len(raw):,} rows have the inputs of another row, so test rows may also be training rows"
    if told.task == "classify":
        for i, column in enumerate(c for c in found if c.used):
            if _tells(raw[:, i], told.y.numpy()):
                yield f"the column '{column.name}' alone determines the target of every row: is it known when predicting?"
    yield from _unlearnt(told, tested)


def remedies_for(found: Sequence[Column], frame: pd.DataFrame, *, grouped: bool, timed: bool) -> Iterator[str]:
    """Yields what to type where a random split may be wrong: rows of one customer in several splits, or rows with a date.

    Parameters
    ----------
    found : sequence of Column
        All columns that could be inputs.
    frame : DataFrame
        The rows.
    grouped, timed : bool
        Whether rows are split by groups or by time already.
    """
    for c in found:
        cells = frame[c.name]
        different = int(cells.nunique())
        read = {"number": "is read as a number, and ", "text": "is not used, and "}.get(c.kind, "")
        if not (len(c.levels) > LEVELS or _shared(c, cells, different)):
            continue
        says = f"'{c.name}' {read}has {count(different, 'value')} in {count(len(cells), 'row')}"
        leave = f"data.drop=[{c.name}]"
        if grouped or timed:
            if c.used:
                yield f"{says}: to leave it out, type {leave}"
            continue
        fill = f"fill its {count(c.missing, 'empty cell')} and type" if c.missing else "type"
        together = f"if the model is to meet new ones (other customers, other patients), {fill} data.group={c.name}"
        yield f"{says}: {together}{f'; else {leave}' if c.used else ''}"
    days = [c for c in found if c.kind == "date"]
    if days and not (grouped or timed):
        day = min(days, key=lambda c: c.missing)
        fill = f"with its {count(day.missing, 'empty cell')} filled, " if day.missing else ""
        yield (
            f"rows are split at random, and '{day.name}' holds dates: if the model is to predict what comes later, "
            f"{fill}data.time={day.name} tests on the latest rows"
        )


def unused(found: Sequence[Column]) -> str:
    """Returns the columns that are not used, with the reason for each."""
    left = [c for c in found if not c.used]
    more = f" and {len(left) - _TOLD} more" if len(left) > _TOLD else ""
    lost = next((c.name for c in left if c.kind == "text"), None)
    hint = f"; to use it as a category: data.categorical=[{lost}]" if lost is not None else ""
    return ", ".join(f"{c.name} ({c.told})" for c in left[:_TOLD]) + more + hint


def _shared(c: Column, cells: pd.Series, different: int) -> bool:
    """Returns whether a column is called like an id, and names the same one in several rows."""
    if c.kind not in ("number", "category", "text") or different < _IDS or not _ID.fullmatch(c.name.strip()):
        return False
    present = cells.dropna()
    if c.kind == "number":
        values = numbers(present)
        if values is None or (values != np.floor(values)).any():
            return False
    return len(present) - different > _FEW_TWICE * len(present)


def _alike(found: Sequence[Column]) -> Iterator[str]:
    """Yields questions about categories, some values of which may be one."""
    told = [
        note
        for c in found
        for note in asked(f"the column '{c.name}'", "values", (v for v in c.levels if v != MISSING or not c.missing))
    ]
    yield from told[:_TOLD]
    if len(told) > _TOLD:
        yield f"{count(len(told) - _TOLD, 'more column')} with values that differ only in case or blanks"


def _doubtful(columns: Sequence[Column]) -> Iterator[str]:
    for c in columns[:_TOLD]:
        names = f"if the values are names, set data.categorical=[{c.name}]"
        yield f"the column '{c.name}' is read as a category: it {c.told}; {names}"
    if more := [c.name for c in columns[_TOLD:]]:
        yield f"also read as categories, perhaps by mistake: {listed(more)}; dropbench list columns says why"


def _tells(values: NDArray[np.float64], y: NDArray[np.int64]) -> bool:
    """Returns whether each value occurs with only one class, counting values that occur often enough."""
    different, place = np.unique(values, return_inverse=True)
    if len(different) * 4 > len(values):
        return False
    pairs = np.unique(np.stack([place, y]), axis=1)
    return bool(pairs.shape[1] == len(different))


def _unlearnt(told: Target, tested: NDArray[np.bool_]) -> Iterator[str]:
    """Yields notes on classes that occur only in the user's test file."""
    if told.task == "classify" and tested.any():
        trained = set(told.y[torch.from_numpy(~tested)].tolist())
        for i in sorted(set(told.y.tolist()) - trained):
            rows = int((told.y == i).sum())
            yield f"{count(rows, 'test row')} of the class '{told.classes[i]}', which no other row has, cannot be predicted"

"""A run's epochs: the columns of its history.csv, which may be damaged or edited."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path

from dropbench.store import safely

Columns = Mapping[str, list[float]]
"""{column: a number an epoch}, NaN for empty cells."""


def columns(history: Path) -> Columns:
    """Nothing where the file cannot be used: `read` says why."""
    return read(history)[0]


def read(history: Path) -> tuple[Columns, str | None]:
    """The columns, or why there are none: half a sentence. No row is no fault: a run may end before its first epoch.

    A thousand of these are read for a report, so not by pandas: cells are numbers and names, never quoted.
    """
    try:
        head, *lines = safely.content(history).decode().splitlines()
    except OSError as error:
        return {}, f"it cannot be read: {error.strerror}"
    except ValueError as error:  # UnicodeDecodeError is one; so is what an empty file gives
        return {}, "it is no text" if isinstance(error, UnicodeDecodeError) else "it is empty"
    names = head.split(",")
    rows = []
    for place, line in enumerate(lines, 2):
        cells = line.split(",")
        if len(cells) != len(names):
            return {}, f"line {place} has {len(cells)} cells under {len(names)} names"
        try:
            rows.append([float(cell) if cell else math.nan for cell in cells])
        except ValueError:
            return {}, f"line {place} holds what is no number"
    if "epoch" not in names or len(set(names)) < len(names):
        return {}, "its first line does not name the columns"
    table = dict(zip(names, map(list, zip(*rows, strict=True)), strict=True)) if rows else {}
    if table and not _rising(table["epoch"]):
        return {}, "its epochs do not rise one by one from 1"
    return table, None


def evaluated(history: Path, score: str, by: str = "epoch") -> list[tuple[int, float]]:
    """(epoch, score) of the epochs that have one; epochs that were not evaluated have empty cells.

    by: what to count in, `epoch`, or `updates` of the weights since training began, which older histories lack.
    """
    return scored(columns(history), score, by)


def scored(table: Columns, score: str, by: str = "epoch") -> list[tuple[int, float]]:
    """The same of columns that have been read."""
    pairs = zip(table.get(by, ()), table.get(score, ()), strict=False)
    return [(int(at), value) for at, value in pairs if math.isfinite(at) and not math.isnan(value)]


def _rising(epochs: list[float]) -> bool:
    return epochs == [float(i) for i in range(1, len(epochs) + 1)]

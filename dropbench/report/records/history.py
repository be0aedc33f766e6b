"""A run's epochs: the columns of its history.csv."""

from __future__ import annotations

import math
from pathlib import Path


def columns(history: Path) -> dict[str, list[float]]:
    """{column: a number an epoch}, NaN for empty cells; nothing where the file cannot be read or is cut short.

    A thousand of these are read for a report, so not by pandas: cells are numbers and names, never quoted.
    """
    try:
        head, *lines = history.read_text(encoding="utf-8").splitlines()
        rows = [[float(cell) if cell else math.nan for cell in line.split(",")] for line in lines]
        table = dict(zip(head.split(","), map(list, zip(*rows, strict=True)), strict=True)) if rows else {}
        return table if "epoch" in table else {}
    except (OSError, ValueError):  # UnicodeDecodeError is a ValueError
        return {}


def evaluated(history: Path, score: str, by: str = "epoch") -> list[tuple[int, float]]:
    """(epoch, score) of the epochs that have one; epochs that were not evaluated have empty cells.

    by: what to count in, `epoch`, or `updates` of the weights since training began, which older histories lack.
    """
    table = columns(history)
    pairs = zip(table.get(by, ()), table.get(score, ()), strict=False)
    return [(int(at), value) for at, value in pairs if not (math.isnan(value) or math.isnan(at))]

"""Reads the columns of a run's history.csv, which may be damaged or edited."""

from __future__ import annotations

from pathlib import Path

from dropbench.store.epochs import Columns, scored
from dropbench.store.epochs import read_history as read

__all__ = ["Columns", "columns", "evaluated", "read", "scored"]


def columns(history: Path) -> Columns:
    """Returns the columns of a history; none if the file cannot be used (`read` also returns the reason)."""
    return read(history)[0]


def evaluated(history: Path, score: str, by: str = "epoch") -> list[tuple[int, float]]:
    """Returns (epoch, score) for the epochs that have a score; epochs that were not evaluated have empty cells.

    by: `epoch`, or `updates` for the number of weight updates since training began, which older histories lack.
    """
    return scored(columns(history), score, by)

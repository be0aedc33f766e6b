"""A run's epochs: the columns of its history.csv, which may be damaged or edited."""

from __future__ import annotations

from pathlib import Path

from dropbench.store.epochs import Columns, scored
from dropbench.store.epochs import read_history as read

__all__ = ["Columns", "columns", "evaluated", "read", "scored"]


def columns(history: Path) -> Columns:
    """Nothing where the file cannot be used: `read` says why."""
    return read(history)[0]


def evaluated(history: Path, score: str, by: str = "epoch") -> list[tuple[int, float]]:
    """(epoch, score) of the epochs that have one; epochs that were not evaluated have empty cells.

    by: what to count in, `epoch`, or `updates` of the weights since training began, which older histories lack.
    """
    return scored(columns(history), score, by)

"""The interface of a logger."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from dropbench.store import Record

Row = Mapping[str, float]


@dataclass(frozen=True)
class Run:
    """A run before it is trained. arm: the name of its arm. settings: by their command line keys, including the seed."""

    run_id: str
    arm: str
    seed: int
    settings: Mapping[str, Any]


class Logger(Protocol):
    """Logs the runs of one command, in the process that the user started.

    An exception ends this logger, but not the runs. Thousands of runs may train at once, so do not keep a file or a thread
    for each: open, write, close.
    """

    def begin(self, run: Run) -> None:
        """Starts the log of a run and replaces that of an earlier attempt, which was interrupted or failed."""

    def epoch(self, run_id: str, row: Row) -> None:
        """Logs a row of the run's history, as in history.csv: `epoch` counts from 1; not every row has validation metrics."""

    def end(self, record: Record) -> None:
        """Called when the run has ended, successfully or not, and is stored."""

    def close(self) -> None:
        """Called at the end. Runs that have begun but not ended were interrupted."""

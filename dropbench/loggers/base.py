"""What a logger is told, and of what."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from dropbench.store import Record

Row = Mapping[str, float]


@dataclass(frozen=True)
class Run:
    """A run before it trains. arm: what its arm is called. settings: as the command line names them, seed included."""

    run_id: str
    arm: str
    seed: int
    settings: Mapping[str, Any]


class Logger(Protocol):
    """Follows the runs of one command, in the process that the user started.

    Whatever it raises ends this logger, not the runs. Many runs train at once, so one that holds a file or a thread for each
    may have thousands: open, write, close.
    """

    def begin(self, run: Run) -> None:
        """What an earlier attempt at this run left, interrupted, failed or of a cohort that broke off, is replaced."""

    def epoch(self, run_id: str, row: Row) -> None:
        """A row of the run's history, as in history.csv: `epoch` counts from 1; validation is not in every row."""

    def end(self, record: Record) -> None:
        """The run has ended, in whatever way, and is stored."""

    def close(self) -> None:
        """No more will come. Runs that have begun and not ended were interrupted."""

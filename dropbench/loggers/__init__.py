"""Reports epochs to other tools as they end. A logger changes no number of a run, and its failure does not stop runs."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from dropbench.errors import UsageError
from dropbench.loggers.base import Logger, Row, Run

if TYPE_CHECKING:
    from dropbench.engine.result import Progress
    from dropbench.execute.cohort import Listener, Note, Retry
    from dropbench.execute.local import Stored

__all__ = ["Loggers", "Run", "check", "opened"]

LOGS = "logs"
"""The folder in results/ that contains a folder for each logger."""
_PACKAGES: dict[str, tuple[str, ...]] = {
    "csv": (),
    "tensorboard": ("tensorboard",),
    "mlflow": ("mlflow", "sqlalchemy", "alembic"),
}


def check(names: Sequence[str]) -> None:
    """Raises UsageError for a logger whose library is not installed. Imports nothing."""
    for name in names:
        # The last two are for a file on this machine; with a server only the client is needed.
        needed = _PACKAGES[name][: 1 if os.environ.get("MLFLOW_TRACKING_URI") else None]
        if missing := [package for package in needed if find_spec(package) is None]:
            raise UsageError(
                f"train.loggers={name} needs {' and '.join(missing)}, which is not installed: pip install 'dropbench[{name}]'"
            )


@contextmanager
def opened(
    names: Sequence[str], runs: Sequence[Run], results: Path, study: str | None, warn: Callable[[str], None]
) -> Iterator[Loggers]:
    """Context manager that opens the loggers of one command and closes them at its end.

    runs: all runs that may be trained. study: the name of their group, for tools that have groups. warn: shows a sentence to
    the user. Raises UsageError for a logger that cannot start, before anything is trained.
    """
    by_name: dict[str, Logger] = {}
    loggers = Loggers(by_name, runs, warn)
    try:
        for name in names:
            try:
                by_name[name] = _made(name, results / LOGS / name, study)
            except Exception as error:  # a library may raise anything
                raise UsageError(f"train.loggers={name} cannot start: {_first_line(error)}") from error
        yield loggers
    finally:
        loggers.close()


def _made(name: str, folder: Path, study: str | None) -> Logger:
    """Creates a logger, importing only what it needs."""
    if name == "csv":
        from dropbench.loggers.csv import Csv

        return Csv(folder)
    if name == "tensorboard":
        from dropbench.loggers.tensorboard import TensorBoard

        return TensorBoard(folder)
    from dropbench.loggers.mlflow import MLflow

    return MLflow(folder, study or "dropbench")


class Loggers:
    """Passes events to all loggers. A logger that raises an error is dropped with one warning."""

    def __init__(self, loggers: dict[str, Logger], runs: Sequence[Run], warn: Callable[[str], None]) -> None:
        self._loggers, self._warn = loggers, warn
        self._runs = {run.run_id: run for run in runs}
        self._last: dict[str, float] = {}
        """The last logged epoch of each run that has begun."""

    def beside(self, listen: Listener) -> Listener:
        """Returns a listener that calls first `listen` and then these loggers."""

        def both(event: Progress | Retry | Note) -> None:
            listen(event)
            self.listen(event)

        return both

    def listen(self, event: Progress | Retry | Note) -> None:
        """Logs each epoch of each run once. Runs that are retried, or resumed from a checkpoint, begin again."""
        from dropbench.execute.cohort import Note, Retry

        if isinstance(event, Note):
            return
        if isinstance(event, Retry):  # these runs start again, and so do their logs
            for run_id in event.run_ids:
                self._last.pop(run_id, None)
            return
        for run_id, row in event.rows.items():
            if row["epoch"] <= self._last.get(run_id, 0):
                self._last.pop(run_id)
            self._begin(run_id)
            self._last[run_id] = row["epoch"]
            self._each(partial(_epoch, run_id, row))

    def finished(self, stored: Stored) -> None:
        """Logs the end of a stored run, unless another command trained it, whose loggers have done so."""
        if stored.elsewhere:
            return
        self._begin(stored.record.run_id)
        self._each(lambda logger: logger.end(stored.record))

    def close(self) -> None:
        """Closes all loggers; no event may follow."""
        self._each(lambda logger: logger.close())
        self._loggers.clear()

    def _begin(self, run_id: str) -> None:
        if run_id not in self._last:
            self._last[run_id] = 0
            self._each(lambda logger: logger.begin(self._runs[run_id]))

    def _each(self, act: Callable[[Logger], None]) -> None:
        for name, logger in list(self._loggers.items()):
            try:
                act(logger)
            except Exception as error:  # a library may raise anything, which must not stop training
                del self._loggers[name]
                self._warn(f"the logger {name} failed and is no longer used ({_first_line(error)}); runs go on")
                with suppress(Exception):
                    logger.close()


def _epoch(run_id: str, row: Row, logger: Logger) -> None:
    logger.epoch(run_id, row)


def _first_line(error: Exception) -> str:
    return f"{type(error).__name__}: {error}".splitlines()[0]

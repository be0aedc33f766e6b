"""Stores what is trained; if the disk cannot be written, keeps it in memory until it can."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterator
from typing import Generic, TypeVar

from dropbench.errors import UsageError
from dropbench.execute.cohort import Listener, Note
from dropbench.values import count

_AGAIN_S = 10.0
"""The seconds between two attempts while the disk is full."""

Outcome = TypeVar("Outcome")
Written = TypeVar("Written")


class Writer(Generic[Outcome, Written]):
    """Writes outcomes in their order. If one cannot be written, it and those after it wait in memory and no run is lost.

    Parameters
    ----------
    write : callable
        Stores an outcome. Raises UsageError, from an OSError, if the disk is full or not there.
    listen : Listener
        Called when writing begins to fail, and when everything has been written after that.
    clock : callable
        Returns the time in seconds.
    """

    def __init__(
        self, write: Callable[[Outcome], Written], listen: Listener, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._write, self._listen, self._clock = write, listen, clock
        self._waiting: deque[Outcome] = deque()
        self._why: str | None = None
        self._tried = 0.0

    def __len__(self) -> int:
        """The number of outcomes that are not stored yet."""
        return len(self._waiting)

    def add(self, outcome: Outcome) -> None:
        """Adds an outcome, which `written` will write."""
        self._waiting.append(outcome)

    def written(self, now: bool = False) -> Iterator[Written]:
        """Writes and yields what waits, as far as possible; after a failure only once some seconds have passed, or if `now`."""
        if self._why is not None and not now and self._clock() - self._tried < _AGAIN_S:
            return
        while self._waiting:
            try:
                written = self._write(self._waiting[0])
            except UsageError as error:
                if not isinstance(error.__cause__, OSError):
                    raise
                self._failed(error.__cause__)
                return
            self._waiting.popleft()
            yield written
        if self._why is not None:
            self._why = None
            self._listen(Note("the runs that were kept in memory are stored now"))

    def rest(self, wait: Callable[[float], object]) -> Iterator[Written]:
        """Writes and yields what waits, however long it takes. wait: sleeps for a number of seconds; it raises to end this."""
        yield from self.written(now=True)
        while self._waiting:
            wait(_AGAIN_S)
            yield from self.written(now=True)

    def lost(self) -> str | None:
        """Returns the message for a command that ends before everything is stored, or None if everything is."""
        if not self._waiting:
            return None
        runs = count(len(self._waiting), "run")
        return f"Stopped: {runs} had been trained and could not be stored ({self._why}); run the same command again to continue"

    def _failed(self, error: OSError) -> None:
        why, self._tried = error.strerror or type(error).__name__, self._clock()
        if self._why is None:
            self._listen(
                Note(
                    f"results cannot be written now: {why}. Finished runs are kept in memory, and writing them is tried again "
                    f"every {_AGAIN_S:g} s: make room, or stop with Ctrl-C"
                )
            )
        self._why = why

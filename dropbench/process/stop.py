"""Requests to stop: by Ctrl-C, by a batch system or a shutdown (SIGTERM), by a terminal that closes (SIGHUP)."""

from __future__ import annotations

import math
import os
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from multiprocessing.connection import Connection, Pipe, wait
from types import FrameType

from dropbench.process.signals import SIGNALS, Interrupt

_NOTICE = b"\nStopping: what is in training is being saved. Once more stops at once.\n"


class Stop:
    """Keeps whether this process has been asked to stop, or its time is over; calling it returns that.

    Parameters
    ----------
    until : float or None
        When its time is over, by `time.monotonic`.

    Attributes
    ----------
    signal : int or None
        The signal by which it was first asked.
    at_once : bool
        Whether it was asked again.
    """

    def __init__(self, until: float | None = None) -> None:
        self.until = until
        self.signal: int | None = None
        self.at_once = False
        self._bell: tuple[Connection, Connection] | None = None
        self._interrupt = Interrupt()

    def __call__(self) -> bool:
        """Returns whether this process has been asked to stop, or its time is over."""
        return self.signal is not None or self.left <= 0

    @property
    def left(self) -> float:
        """Seconds until its time is over; infinity without a limit."""
        return math.inf if self.until is None else self.until - time.monotonic()

    @property
    def bell(self) -> Connection:
        """A connection to wait for together with others: it becomes readable once this process has been asked to stop."""
        if self._bell is None:
            self._bell = Pipe(duplex=False)
        return self._bell[0]

    def wait(self, seconds: float) -> None:
        """Waits for `seconds`. Raises KeyboardInterrupt if this process is to stop earlier."""
        wait([self.bell], max(0.0, min(seconds, self.left)))
        if self():
            raise KeyboardInterrupt

    def ask(self, number: int, frame: FrameType | None = None) -> None:
        """Signal handler: the first signal is only recorded, later ones are passed to `Interrupt`."""
        if self.signal is None:
            self.signal = number
            # The interrupted code may hold a lock, so neither an Event nor `print` is used here.
            if self._bell is not None:
                os.write(self._bell[1].fileno(), b"!")
            if number == signal.SIGINT:
                with suppress(OSError):
                    os.write(2, _NOTICE)
            return
        self.at_once = True
        self._interrupt(number)


@contextmanager
def listening(stop: Stop) -> Iterator[Stop]:
    """Context manager in which signals ask this process to stop. Outside the main thread, which alone can, it does nothing.

    Signals that this process was started to ignore, as SIGHUP by `nohup`, stay ignored.
    """
    if threading.current_thread() is not threading.main_thread():
        yield stop
        return
    before = {number: signal.getsignal(number) for number in SIGNALS}
    heard = [number for number, handler in before.items() if handler is not signal.SIG_IGN]
    for number in heard:
        signal.signal(number, stop.ask)
    try:
        yield stop
    finally:
        if not stop.at_once:
            for number in heard:
                signal.signal(number, before[number] or signal.SIG_DFL)

"""Signals that ask a command to end. It imports almost nothing, because Python's own handlers act until it is loaded."""

from __future__ import annotations

import os
import signal
import time
from types import FrameType

SIGNALS = [getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name)]
"""Sent by Ctrl-C, by a batch system or a shutdown, and by a terminal that closes."""
_PATIENCE_S = 5.0
"""How long an interrupted command may take to end by itself. A further signal after that ends it at once."""


class Interrupt:
    """A handler that raises KeyboardInterrupt once, so that holding Ctrl-C does not produce several tracebacks."""

    def __init__(self) -> None:
        self.signal: int | None = None
        """The first signal that was received."""
        self._since = 0.0

    def __call__(self, number: int, frame: FrameType | None = None) -> None:
        """Interrupts the first time; if a signal comes when that has had no effect for some seconds, ends the process."""
        if self.signal is None:
            self.signal, self._since = number, time.monotonic()
            raise KeyboardInterrupt
        if time.monotonic() - self._since > _PATIENCE_S:
            os._exit(128 + number)


interrupt = Interrupt()


def settle() -> None:
    """Installs the handler for all signals except those that this process was started to ignore, as SIGHUP by `nohup`."""
    for number in SIGNALS:
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, interrupt)


def answered() -> None:
    """Forgets a Ctrl-C that was a normal end of the command, so that it does not change the exit code."""
    if interrupt.signal == signal.SIGINT:
        interrupt.signal = None


def exit_code(code: int) -> int:
    """Returns 128 plus the signal's number, as shells do, if a signal ended this process (130 for Ctrl-C); otherwise `code`."""
    return code if interrupt.signal is None else 128 + interrupt.signal

"""Signals that ask a command to end, from its first moment on. Imports next to nothing: until then Python answers them."""

from __future__ import annotations

import os
import signal
import time
from types import FrameType

SIGNALS = [getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name)]
"""Ctrl-C; a batch system or a shutdown; a terminal that closes."""
_PATIENCE_S = 5.0
"""For what has been interrupted to end by itself; who asks again after that is let go at once."""


class Interrupt:
    """A handler that raises KeyboardInterrupt once. Whoever leans on the key meanwhile is not answered by tracebacks."""

    def __init__(self) -> None:
        self.signal: int | None = None
        """The one that came."""
        self._since = 0.0

    def __call__(self, number: int, frame: FrameType | None = None) -> None:
        """Interrupts the first time; after some seconds, where that was to no avail, ends the process."""
        if self.signal is None:
            self.signal, self._since = number, time.monotonic()
            raise KeyboardInterrupt
        if time.monotonic() - self._since > _PATIENCE_S:
            os._exit(128 + number)


interrupt = Interrupt()


def settle() -> None:
    """Has signals interrupt this process, but for those that it was started to ignore, as SIGHUP by `nohup`."""
    for number in SIGNALS:
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, interrupt)


def answered() -> None:
    """Forgets a Ctrl-C that was how the command is ended well, so that its exit code says so."""
    if interrupt.signal == signal.SIGINT:
        interrupt.signal = None


def exit_code(code: int) -> int:
    """128 and the signal's number, as shells have it, where a signal ended this process; 130 would be Ctrl-C."""
    return code if interrupt.signal is None else 128 + interrupt.signal

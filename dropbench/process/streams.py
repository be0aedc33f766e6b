"""The standard streams of a command: a reader that leaves, a full disk or a terminal of few characters does not stop it.

Python closes a program whose reader has left, with an exception wherever the next line is printed, and raises another for a
character that the terminal does not have. Here a stream whose end is gone takes what is written and drops it, and remembers
why, so that the exit code can tell.
"""

from __future__ import annotations

import errno
import io
import os
import select
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any, TextIO

from typing_extensions import override

from dropbench.process import stand_ins
from dropbench.values import plain as seen


class OutputLost(Exception):
    """Standard output takes nothing more, and what the command does is of no use without it."""


class Sink(io.RawIOBase):
    """Bytes to a file of the system's, until it takes no more; what comes then is dropped.

    Parameters
    ----------
    number : int
        Of the file.
    closed : bool
        Whether it was closed before the command began.
    """

    def __init__(self, number: int, closed: bool) -> None:
        self._number = number
        self._gone = OSError(errno.EBADF, "it is closed") if closed else None
        self.lost: OSError | None = None
        """Why not all of it was written."""
        self.needed = False
        """Whether to raise OutputLost, once, rather than to go on for nobody."""

    @override
    def writable(self) -> bool:
        return True

    @override
    def fileno(self) -> int:
        return self._number

    @override
    def isatty(self) -> bool:
        return os.isatty(self._number)

    @override
    def write(self, data: Any) -> int:
        left = memoryview(data).cast("B")
        while len(left) and self.lost is None:
            try:
                if self._gone is not None:
                    raise self._gone
                left = left[os.write(self._number, left) :]
            except BlockingIOError:  # a terminal or pipe that was set not to wait
                select.select([], [self._number], [])
            except OSError as error:
                self.lost = error
                if self.needed:
                    raise OutputLost from error
        return len(data)


class _Text(io.TextIOWrapper):
    """Text that goes there for as long as the process lives: code of a user's may have closed its own output, and not this."""

    @override
    def close(self) -> None:
        self.flush()


_WHY = {errno.EPIPE: "its reader has left", errno.EBADF: "it is closed", errno.ENOSPC: "the disk is full"}
_output = Sink(1, closed=False)


def settle() -> None:
    """Puts streams that cannot fail in the place of this process's own, and something harmless in that of closed ones."""
    global _output
    closed = [_reserved(number) for number in range(3)]
    if sys.stdin is None:
        sys.stdin = open(os.devnull, encoding="utf-8")  # noqa: SIM115  it is to stay open
    _output = Sink(1, closed[1])
    _output.needed = True
    sys.stdout = _text(io.BufferedWriter(_output), sys.stdout)
    # Nothing is held back: what is said last may be why the process ended.
    sys.stderr = _text(Sink(2, closed[2]), sys.stderr)


def settle_worker() -> None:
    """For a process that trains: all that is printed in it goes to standard error, and is dropped where nobody reads that."""
    closed = _reserved(2)
    with suppress(OSError):
        os.dup2(2, 1)
    sys.stdout = sys.stderr = _text(Sink(2, closed), sys.stderr)


def go_on() -> None:
    """From here on the command is worth carrying out even if nobody reads what it prints: it trains."""
    _output.needed = False


def ended(code: int) -> int:
    """The exit code, once all that was printed has been written, or could not be."""
    for stream in (sys.stdout, sys.stderr):
        with suppress(OutputLost, OSError, ValueError):
            stream.flush()
    lost = _output.lost
    if lost is None:
        return code
    if lost.errno == errno.EPIPE and _output.needed:  # as programs end whose reader has seen enough
        return code or 128 + signal.SIGPIPE
    why = _WHY.get(lost.errno or 0) or os.strerror(lost.errno or 0).lower()
    kept = "" if _output.needed else "; what was trained is stored"
    tell(f"Error: standard output could not be written: {why}{kept}")
    return code or 1


@contextmanager
def output_to_errors() -> Iterator[None]:
    """While code of a user's runs: what it prints, in Python or not, is no result of the command."""
    told, sys.stdout = sys.stdout, _text(Sink(2, closed=False), sys.stderr)
    try:
        told.flush()
        kept = os.dup(1)
        os.dup2(2, 1)
    except (OSError, ValueError, AttributeError):
        kept = None
    try:
        yield
    finally:
        with suppress(OSError, ValueError, AttributeError):
            sys.stderr.flush()
        if kept is not None:
            os.dup2(kept, 1)
            os.close(kept)
        sys.stdout = told


def _reserved(number: int) -> bool:
    """Whether a file is closed; then nothing that is opened later shall have its number and be written to for it."""
    try:
        os.fstat(number)
    except OSError:
        os.open(os.devnull, os.O_RDWR)  # the lowest number that is free, and those below are not
        return True
    return False


def tell(text: str) -> None:
    """A line on standard error, if there is one; what a file's name or an exception says in it steers no terminal."""
    if sys.stderr is not None:
        print("\n".join(map(seen, text.split("\n"))), file=sys.stderr, flush=True)


def _text(to: Any, before: TextIO | None) -> TextIO:
    """Text in the encoding that Python chose for the stream before. to: what takes its bytes."""
    lenient = getattr(before, "errors", None) in ("replace", "ignore", "xmlcharrefreplace", "namereplace")
    return _Text(
        to,
        encoding=getattr(before, "encoding", None) or "utf-8",
        errors=before.errors if before is not None and lenient else stand_ins.register(),
        line_buffering=to.isatty(),
        write_through=isinstance(to, Sink),
    )

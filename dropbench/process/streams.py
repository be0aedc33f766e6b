"""Standard streams that survive a reader that leaves, a full disk, or a terminal with a small character set.

When the reader has left, Python raises an exception wherever the next line is printed, and it raises another one for a
character that the terminal's encoding lacks. Here a stream whose other end is gone accepts and drops what is written, and
remembers why, so that the exit code can report it.
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
    """Standard output accepts nothing more, and the command is useless without it."""


class Sink(io.RawIOBase):
    """Writes bytes to a file descriptor until it accepts no more; everything after that is dropped.

    Parameters
    ----------
    number : int
        The file descriptor.
    closed : bool
        Whether it was closed before the command began.
    """

    def __init__(self, number: int, closed: bool) -> None:
        self._number = number
        self._gone = OSError(errno.EBADF, "it is closed") if closed else None
        self.lost: OSError | None = None
        """Why not everything was written."""
        self.needed = False
        """Whether to raise OutputLost, once, instead of continuing without a reader."""

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
            except BlockingIOError:  # a terminal or pipe in non-blocking mode
                select.select([], [self._number], [])
            except OSError as error:
                self.lost = error
                if self.needed:
                    raise OutputLost from error
        return len(data)


class _Text(io.TextIOWrapper):
    """A text stream that cannot be closed while the process lives, since users' code may close what it thinks is its output."""

    @override
    def close(self) -> None:
        self.flush()


_WHY = {
    errno.EPIPE: "the program that reads it has ended",
    errno.EBADF: "it is closed",
    errno.ENOSPC: "the disk is full",
}
_output = Sink(1, closed=False)


def settle() -> None:
    """Replaces this process's standard streams by ones that cannot fail, and closed ones by /dev/null."""
    global _output
    closed = [_reserved(number) for number in range(3)]
    if sys.stdin is None:
        sys.stdin = open(os.devnull, encoding="utf-8")  # noqa: SIM115  it must stay open
    _output = Sink(1, closed[1])
    _output.needed = True
    sys.stdout = _text(io.BufferedWriter(_output), sys.stdout)
    # Nothing is buffered, because the last message may say why the process ended.
    sys.stderr = _text(Sink(2, closed[2]), sys.stderr)


def settle_worker() -> None:
    """Prepares a worker: everything printed in it goes to standard error, and is dropped if nobody reads that."""
    closed = _reserved(2)
    with suppress(OSError):
        os.dup2(2, 1)
    sys.stdout = sys.stderr = _text(Sink(2, closed), sys.stderr)


def go_on() -> None:
    """From now on the command continues even if nobody reads its output, because it trains."""
    _output.needed = False


def ended(code: int) -> int:
    """Flushes the streams, and returns the exit code, which reports output that was lost."""
    for stream in (sys.stdout, sys.stderr):
        with suppress(OutputLost, OSError, ValueError):
            stream.flush()
    lost = _output.lost
    if lost is None:
        return code
    if lost.errno == errno.EPIPE and _output.needed:  # like other programs whose reader has left
        return code or 128 + signal.SIGPIPE
    why = _WHY.get(lost.errno or 0) or os.strerror(lost.errno or 0).lower()
    kept = "" if _output.needed else "; the runs that were trained are stored"
    tell(f"Error: standard output could not be written: {why}{kept}")
    return code or 1


@contextmanager
def output_to_errors() -> Iterator[None]:
    """Context manager for users' code: its output, also from outside Python, goes to standard error, not to the result."""
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
    """Returns whether a file descriptor is closed. If so, it is opened on /dev/null, so that no later file gets its number."""
    try:
        os.fstat(number)
    except OSError:
        os.open(os.devnull, os.O_RDWR)  # gets the lowest free number, and those below are taken
        return True
    return False


def tell(text: str) -> None:
    """Prints a text on standard error, if there is one. Control characters, as in a file's name, do not reach the terminal."""
    if sys.stderr is not None:
        print("\n".join(map(seen, text.split("\n"))), file=sys.stderr, flush=True)


def _text(to: Any, before: TextIO | None) -> TextIO:
    """Returns a text stream with the encoding that Python chose for the former stream. to: takes the bytes."""
    lenient = getattr(before, "errors", None) in ("replace", "ignore", "xmlcharrefreplace", "namereplace")
    return _Text(
        to,
        encoding=getattr(before, "encoding", None) or "utf-8",
        errors=before.errors if before is not None and lenient else stand_ins.register(),
        line_buffering=to.isatty(),
        write_through=isinstance(to, Sink),
    )

"""Reads files that anybody may have put into a results folder: a pipe, device or endless file must not block or fill memory."""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path


class Damaged(ValueError):
    """A file does not hold what it should. Its message is half a sentence that says why."""


MOST = 32 << 20
"""Largest size in bytes: far above any record, plan or history, and still quick to read."""

_KINDS = (
    (stat.S_ISDIR, "it is a folder"),
    (stat.S_ISFIFO, "it is a pipe"),
    (stat.S_ISSOCK, "it is a socket"),
    (stat.S_ISCHR, "it is a device"),
    (stat.S_ISBLK, "it is a device"),
)


def content(path: Path, most: int = MOST) -> bytes:
    """Returns the bytes of a regular file.

    Raises
    ------
    OSError
        For anything else at this path, for a file larger than `most` bytes, and as `open` does. `strerror` is half a sentence.
    """
    check(path, most)  # before opening, because opening some devices has effects
    handle = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_NOCTTY", 0))
    try:
        _check(os.fstat(handle), path, most)
        parts, left = [], most + 1
        while left > 0 and (part := os.read(handle, min(left, 1 << 20))):
            parts.append(part)
            left -= len(part)
    finally:
        os.close(handle)
    if not left:  # it has grown, or does not report its size
        raise _large(path, most)
    return b"".join(parts)


def check(path: Path, most: int = MOST) -> None:
    """Raises OSError, with half a sentence as `strerror`, unless the path is a regular file of at most `most` bytes."""
    _check(os.stat(path), path, most)


def _check(status: os.stat_result, path: Path, most: int) -> None:
    if not stat.S_ISREG(status.st_mode):
        kind = next((words for is_one, words in _KINDS if is_one(status.st_mode)), "it is not a file")
        raise OSError(errno.EINVAL, kind, str(path))
    if status.st_size > most:
        raise _large(path, most)


def _large(path: Path, most: int) -> OSError:
    return OSError(errno.EFBIG, f"it is larger than {most >> 20} MiB", str(path))

"""Writes files and folders so that a kill leaves no partial ones: under a hidden name, synced, then renamed.

It also removes what killed writers left behind. It knows nothing about runs.
"""

from __future__ import annotations

import csv
import errno
import io
import os
import secrets
import shutil
import time
import zlib
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from functools import cache
from pathlib import Path

from dropbench.process import alive

_ABANDONED_S = 24 * 3600.0


def temporary(final: Path) -> Path:
    """Creates a hidden folder beside `final`, so on the same file system, whose name identifies its process: see `sweep`."""
    folder = final.parent / f".{final.name}~{_host()}~{os.getpid()}~{secrets.token_hex(4)}"
    folder.mkdir()
    return folder


def write_folder(final: Path, files: Mapping[str, bytes], keep: Callable[[Path], bool]) -> None:
    """Writes a folder completely or not at all.

    Parameters
    ----------
    final : Path
        The folder's path; its parent exists.
    files : Mapping
        Content by file name.
    keep : Callable
        Returns whether an existing folder at `final` stays, so that the new one is dropped; otherwise it is replaced.
    """
    hidden = temporary(final)
    try:
        for name, content in files.items():
            write_synced(hidden / name, content)
        sync_folder(hidden)
        _publish(hidden, final, keep)
    finally:
        shutil.rmtree(hidden, ignore_errors=True)


def write_file(final: Path, content: bytes) -> None:
    """Writes or replaces a file in one step."""
    write_by(final, lambda path: write_synced(path, content))


def write_by(final: Path, write: Callable[[Path], None]) -> None:
    """Writes or replaces a file in one step. `write` writes to the path that it gets, and syncs the file before it returns."""
    hidden = temporary(final)
    try:
        write(hidden / final.name)
        os.replace(hidden / final.name, final)
        sync_folder(final.parent)
    finally:
        shutil.rmtree(hidden, ignore_errors=True)


def discard(folder: Path) -> None:
    """Removes a folder in one step for readers, by first renaming it to a hidden name."""
    hidden = temporary(folder)
    with suppress(FileNotFoundError):  # another process was first
        os.rename(folder, hidden / folder.name)
    shutil.rmtree(hidden, ignore_errors=True)


def abandoned(folder: Path) -> list[Path]:
    """Returns what killed writers left: their process has ended or, if it ran on another machine, the leftover is a day old."""
    return [leftover for leftover in folder.glob(".*~*~*~*") if _is_abandoned(leftover)]


def as_csv(rows: Sequence[Mapping[str, float | int | str | None]]) -> bytes:
    """Returns a table as CSV with a header line; None is an empty cell."""
    columns = list(dict.fromkeys(key for row in rows for key in row)) or ["epoch"]
    text = io.StringIO()
    writer = csv.DictWriter(text, columns, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue().encode()


def write_synced(path: Path, content: bytes) -> None:
    """Writes a file and waits until it is on the disk."""
    with path.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


def sync_file(path: Path) -> None:
    """Waits until a file that has been written and closed is on the disk."""
    with path.open("rb+") as file:
        os.fsync(file.fileno())


def sync_folder(folder: Path) -> None:
    """Waits until a folder's entries are on the disk."""
    if os.name != "posix":  # elsewhere a folder cannot be opened
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def visible(folder: Path) -> list[Path]:
    """Returns the paths in a folder, sorted, without hidden names. A missing or unreadable folder gives an empty list."""
    try:
        return sorted(p for p in folder.iterdir() if not p.name.startswith("."))
    except OSError:
        return []


def sweep(folder: Path) -> None:
    """Removes what killed writers left."""
    for leftover in abandoned(folder):
        shutil.rmtree(leftover, ignore_errors=True)


def _is_abandoned(leftover: Path) -> bool:
    _, host, pid, _ = leftover.name.rsplit("~", 3)
    try:
        old = time.time() - leftover.stat().st_mtime > _ABANDONED_S
    except FileNotFoundError:
        return False
    return old or (host == _host() and not _alive(pid))


def _publish(hidden: Path, final: Path, keep: Callable[[Path], bool]) -> None:
    """Renames `hidden` to `final`, and replaces a folder there unless `keep` says that it stays."""
    for _ in range(8):  # only very many writers of one run could use these up, and then a folder of theirs stands
        try:
            os.rename(hidden, final)
        except OSError as error:
            if error.errno not in (errno.ENOTEMPTY, errno.EEXIST, errno.ENOTDIR):
                raise
        else:
            return sync_folder(final.parent)
        if keep(final):
            return
        discard(final)


@cache
def _host() -> str:
    return f"{zlib.crc32(alive.place().encode()):08x}"  # process ids of another container say nothing here either


def _alive(pid: str) -> bool:
    if not pid.isdigit() or os.name != "posix":  # elsewhere os.kill(pid, 0) would end the process
        return True
    try:
        os.kill(int(pid), 0)
    except (ProcessLookupError, OverflowError):
        return False
    except PermissionError:
        return True
    return True

"""A cache of the records in a results folder, in one file, so that a report on very many runs need not open every run folder.

    results/index.jsonl

Only the records are authoritative. An entry is valid while the files it was made from have the same inode, size, mtime and
ctime, and only if the code that reads and checks records is unchanged. Any other index, for example one that is truncated or
edited, is ignored, and the records are read from their folders. So the file may be deleted at any time. It is not valid in a
copy of the results folder, and a folder with fewer than 200 runs has none.

It is always replaced as a whole, by a file that is written next to it. It is no database, because databases change a file in
place and rely on locks, which network file systems do not support reliably. If two commands write the index at the same time,
at most the new entries of one of them are lost.

The file has JSON lines: a header; the values that runs share, each once; one line per run; then a hash of all previous lines.
"""

from __future__ import annotations

import hashlib
import json
import math
import os
import re
import time
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import Any

from dropbench.store import files, safely
from dropbench.store.epochs import HISTORY, Epochs, epochs_of
from dropbench.store.reading import examined
from dropbench.store.record import PREDICTIONS, RECORD, Record, Skipped
from dropbench.store.shared import Line, Mark, Shared, text
from dropbench.store.told import Told, told_in

INDEX = "index.jsonl"
_KINDS = ("runs", "failed")
FORM = 1
FEWEST = 200
"""Smallest number of runs for which an index is written; fewer records are read quickly without one."""
_NEWS = 50
"""The index is written again only if at least 1 / _NEWS of its entries are new (and at least FEWEST // 2 of them)."""
_MOST = 1 << 30
_SETTLED_S = 2.0
"""Seconds that must lie between a file's last change and its reading. A later change within one tick of the file system's
clock would leave the timestamps the same."""
_NAME = re.compile(r"[0-9A-Za-z_.-]+")


@dataclass(slots=True)
class _Entry:
    """What was read from one run folder.

    marks: marks of record.json and of test.npz, with which the record was compared. read_at, by_clock: when it was read, by
    `time.monotonic` and by `time.time`; None and infinity while the whole entry comes from the index file.
    """

    record: Record
    marks: tuple[Mark | None, Mark | None]
    read_at: float | None
    by_clock: float
    epochs: tuple[Mark | None, Epochs] | None = None
    told: tuple[Told | None] | None = None
    """None until it is asked for; (None,) if the run kept no predictions."""
    line: bytes | None = None
    """The entry's line in the index file, if the entry has not changed since."""

    def read_now(self) -> None:
        """Notes that another file is about to be read: the line in the index becomes outdated, and the time is recorded."""
        self.line = None
        if self.read_at is None:
            self.read_at, self.by_clock = time.monotonic(), time.time()


class Index:
    """The index of one results folder. The constructor reads nothing, and only `save` writes.

    Parameters
    ----------
    root : Path
        The results folder.
    """

    def __init__(self, root: Path) -> None:
        self._root = os.fspath(root)
        self._lines: dict[str, bytes] | None = None
        """The lines of the index file that have not been decoded yet, by `kind/name`; None before the file is read."""
        self._shared = Shared([])
        self._entries: dict[str, _Entry] = {}
        self._news = 0

    def record(self, folder: Path) -> Record | Skipped:
        """Returns the record of a folder in `runs` or `failed`, or why there is none: what `reading.read` would return now."""
        entry = self._entry(folder)
        return entry.record if isinstance(entry, _Entry) else entry

    def known(self, folder: Path) -> Record | None:
        """Returns the record if the index has a valid entry of it; None if its file would have to be read."""
        entry = self._entry_known(folder)
        return None if entry is None else entry.record

    def epochs(self, folder: Path, record: Record) -> Epochs:
        """Returns what a report uses from the history of the run with this record."""
        path, entry = os.path.join(folder, HISTORY), self._entries.get(_key(folder))
        mark = _mark(path)
        if entry is not None and entry.epochs is not None and entry.epochs[0] == mark and _is_settled(entry, mark):
            return entry.epochs[1]
        if entry is not None:
            entry.read_now()
        found = epochs_of(Path(path), record.config)
        if entry is not None:
            entry.epochs = mark, found
            self._news += 1
        return found

    def told(self, folder: Path) -> Told | None:
        """Returns a run's result for each test example; None if the run did not keep predictions. Raises Damaged."""
        entry = self._entries.get(_key(folder))
        if entry is None or entry.told is None:
            entry = self._entry_known(folder)
        # test.npz is checked together with the record: its mark is one of the entry's marks.
        if entry is not None and entry.told is not None:
            return entry.told[0]
        if entry is not None:
            entry.read_now()
        found = told_in(folder)
        if entry is not None and (found is None or found.is_short):
            entry.told = (found,)
            self._news += 1
        return found

    def save(self) -> None:
        """Writes the index file if enough is new to save the next command much time. An OSError is ignored."""
        if self._news < FEWEST // 2 or not os.access(self._root, os.W_OK):
            return
        lines = self._read_lines()
        if self._news < (len(lines) + len(self._entries)) / _NEWS or len(lines) + len(self._entries) < FEWEST:
            return
        with suppress(OSError):
            files.sweep(Path(self._root))
            files.write_by(Path(self._root, INDEX), self._write)
            self._news = 0

    # Reading ----------------------------------------------------------------------------------------------------------

    def _entry(self, folder: Path) -> _Entry | Skipped:
        if (known := self._entry_known(folder)) is not None:
            return known
        read_at, by_clock, marks = time.monotonic(), time.time(), _marks(os.fspath(folder))
        record, old = examined(folder)
        if isinstance(record, Skipped):
            return record
        self._read_lines()  # first, so that shared values of the file keep their positions
        record = replace(record, config=self._shared.config(record.config))
        entry = _Entry(record, marks, read_at, by_clock)
        if not old and _NAME.fullmatch(folder.name):  # a migrated record's id differs from its folder's name
            self._entries[_key(folder)] = entry
            self._news += 1
        return entry

    def _entry_known(self, folder: Path) -> _Entry | None:
        """Returns the entry of a folder; None if there is none, or if the files have changed since it was made."""
        key = _key(folder)
        entry = self._entries.get(key)
        if entry is None and (line := self._read_lines().pop(key, None)) is not None:
            with suppress(ValueError, TypeError, LookupError, AttributeError):
                entry = self._entries[key] = self._decoded(line)
        if entry is None:
            return None
        if entry.marks != _marks(os.fspath(folder)) or not all(_is_settled(entry, mark) for mark in entry.marks):
            del self._entries[key]
            return None
        return entry

    def _read_lines(self) -> dict[str, bytes]:
        """Returns the lines of the index file, read once; none if it is damaged or another dropbench wrote it."""
        if self._lines is None:
            self._lines = {}
            with suppress(OSError, ValueError, LookupError, TypeError):
                self._lines, trees = _parsed(safely.content(Path(self._root, INDEX), _MOST))
                self._shared = Shared(trees)
        return self._lines

    def _decoded(self, line: bytes) -> _Entry:
        of = Line(*json.loads(line))
        record, test, history = (None if mark is None else tuple(mark) for mark in of.marks)
        epochs = None if of.epochs is None else (history, Epochs(*of.epochs))
        told = self._shared.told(of)
        return _Entry(self._shared.record(of), (record, test), None, math.inf, epochs, told, line)  # type: ignore[arg-type]

    # Writing ----------------------------------------------------------------------------------------------------------

    def _write(self, path: Path) -> None:
        now = time.monotonic()
        path.touch()  # gives the time of the file system's clock, which may be another machine's
        ahead = path.stat().st_mtime - now
        told = []
        for key, entry in self._entries.items():
            marks = [*entry.marks, entry.epochs[0] if entry.epochs else None]
            if entry.line is not None:
                told.append(entry.line)
            elif entry.read_at is not None and all(_is_older(mark, entry.read_at + ahead) for mark in marks):
                epochs = entry.epochs and entry.epochs[1]
                told.append(self._shared.encoded(key, marks, entry.record, epochs, entry.told))
        there = {f"{kind}/{name}" for kind in _KINDS for name in _names(os.path.join(self._root, kind))}
        told += [line for key, line in self._read_lines().items() if key in there]
        if len(told) < FEWEST:
            raise _TooYoung
        trees = [text(tree).encode() for tree in self._shared.trees]
        head = {"form": FORM, "judged": _judged(), "shared": len(trees), "runs": len(told)}
        body = b"\n".join([text(head).encode(), *trees, *told]) + b"\n"
        files.write_synced(path, body + _digest(body) + b"\n")


class _TooYoung(OSError):
    """Raised if too few files are old enough, so that no index is written."""


def _parsed(content: bytes) -> tuple[dict[str, bytes], list[Any]]:
    """Returns the line of each run, and the values that runs share.

    Raises ValueError, LookupError or TypeError if the content is damaged or another dropbench wrote it.
    """
    body, digest = content[:-_HASH], content[-_HASH:].strip()
    if _digest(body) != digest:
        raise ValueError("its content does not fit its hash")
    lines = body.split(b"\n")
    head = json.loads(lines[0])
    if (head["form"], head["judged"]) != (FORM, _judged()):
        raise ValueError("another version of dropbench wrote it")
    first = 1 + head["shared"]
    of_runs = lines[first : first + head["runs"]]
    return {line[2 : line.index(b'"', 2)].decode(): line for line in of_runs}, list(map(json.loads, lines[1:first]))


def _digest(body: bytes) -> bytes:
    return hashlib.blake2b(body, digest_size=32).hexdigest().encode()


_HASH = 65
"""Length of the last line in bytes: 64 hexadecimal digits and a newline."""


_JUDGES = (
    "dropbench.identity",
    "dropbench.store.contradictions",
    "dropbench.store.counted",
    "dropbench.store.derived",
    "dropbench.store.epochs",
    "dropbench.store.migrate",
    "dropbench.store.predictions",
    "dropbench.store.reading",
    "dropbench.store.record",
    "dropbench.store.shared",
    "dropbench.store.told",
    "dropbench.store.zipped",
)
"""The modules that decide what is read from a record's files and whether it is valid."""


@cache
def _judged() -> str:
    """Returns a hash of the code that reads and checks records. If that code changes, all records are read again."""
    modules = [import_module(name) for name in _JUDGES]
    own = [*(m.__file__ for m in modules), __file__]
    return hashlib.sha256(b"".join(Path(str(file)).read_bytes() for file in own)).hexdigest()[:32]


def _key(folder: Path) -> str:
    parent, name = os.path.split(folder)
    return f"{os.path.basename(parent)}/{name}"


def _marks(folder: str) -> tuple[Mark | None, Mark | None]:
    return _mark(os.path.join(folder, RECORD)), _mark(os.path.join(folder, PREDICTIONS))


def _mark(path: str) -> Mark | None:
    try:
        told = os.stat(path)
    except (OSError, ValueError):
        return None
    return told.st_ino, told.st_size, told.st_mtime_ns, told.st_ctime_ns


def _is_settled(entry: _Entry, mark: Mark | None) -> bool:
    """Returns whether a file was old enough when it was read, so that any later change is sure to change its mark."""
    return _is_older(mark, entry.by_clock)


def _is_older(mark: Mark | None, moment: float) -> bool:
    return mark is None or max(mark[2], mark[3]) / 1e9 < moment - _SETTLED_S


def _names(folder: str) -> list[str]:
    try:
        return os.listdir(folder)
    except OSError:
        return []

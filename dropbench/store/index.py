"""What has been read of the runs of a results folder, in one file, so that a report of very many need not open each of them.

    results/index.jsonl

The records are the truth, and the index is only ever what somebody read of them. An entry counts as long as the files that it
was made of are, by inode, size and both times of change, what they were; and only where the code that judges records is the
code that judged it. Anything else, a file that is cut or altered included, is as if it were not there: then the records are
read as ever. So it may be removed at any time, comes along to no other place, and holds nothing for a folder of few runs.

It is replaced as a whole, by a file that was written beside it. No database: those change a file in place and rely on locks
that network folders do not keep; two commands that write at once here lose at most what one of them has read.

Its lines are JSON: what it is; what runs have in common, each once; a line a run; and the hash of all before.
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
"""Runs of a folder that has an index; fewer are read in a moment."""
_NEWS = 50
"""The share of its runs, as one in so many, that have to be new for it to be written again; and at least so many of them."""
_MOST = 1 << 30
_SETTLED_S = 2.0
"""How much older than its reading a file has to be: one that is changed within a tick of the clock looks as it did."""
_NAME = re.compile(r"[0-9A-Za-z_.-]+")


@dataclass(slots=True)
class _Entry:
    """What is known of a run's folder.

    marks: of the record, and of what the test split said, against which it was held. read_at, by_clock: when it was read, by
    `time.monotonic` and by the clock; None and infinite as long as all of it is from the file.
    """

    record: Record
    marks: tuple[Mark | None, Mark | None]
    read_at: float | None
    by_clock: float
    epochs: tuple[Mark | None, Epochs] | None = None
    told: tuple[Told | None] | None = None
    """As far as it was asked for; of a run that keeps none, None."""
    line: bytes | None = None
    """As it stands in the file, where nothing of it is new."""

    def read_now(self) -> None:
        """Takes note that a file is about to be read, of which the line in the file says nothing."""
        self.line = None
        if self.read_at is None:
            self.read_at, self.by_clock = time.monotonic(), time.time()


class Index:
    """That of one results folder. Making one reads nothing, and nothing is written but by `save`.

    Parameters
    ----------
    root : Path
        The results folder.
    """

    def __init__(self, root: Path) -> None:
        self._root = os.fspath(root)
        self._lines: dict[str, bytes] | None = None
        """Those of the file that nobody has asked for yet, by `kind/name`."""
        self._shared = Shared([])
        self._entries: dict[str, _Entry] = {}
        self._news = 0

    def record(self, folder: Path) -> Record | Skipped:
        """The record of a run's folder in `runs` or `failed` here, or why there is none: as `reading.read` says now."""
        entry = self._entry(folder)
        return entry.record if isinstance(entry, _Entry) else entry

    def known(self, folder: Path) -> Record | None:
        """The same where it need not be read, and None where it would have to be."""
        entry = self._entry_known(folder)
        return None if entry is None else entry.record

    def epochs(self, folder: Path, record: Record) -> Epochs:
        """What is to be known of the history of the run whose record this is."""
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
        """What a run said of its test examples; None where it did not keep that. Raises Damaged."""
        entry = self._entries.get(_key(folder))
        if entry is None or entry.told is None:
            entry = self._entry_known(folder)
        if (
            entry is not None and entry.told is not None
        ):  # as it was when this process read the record that goes with it
            return entry.told[0]
        if entry is not None:
            entry.read_now()
        found = told_in(folder)
        if entry is not None and (found is None or found.is_short):
            entry.told = (found,)
            self._news += 1
        return found

    def save(self) -> None:
        """Writes it, where that spares the next command much: whatever keeps it from being written is no fault."""
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
        self._read_lines()  # what is shared there keeps its place
        record = replace(record, config=self._shared.config(record.config))
        entry = _Entry(record, marks, read_at, by_clock)
        if not old and _NAME.fullmatch(folder.name):  # one that is migrated has another name than its folder
            self._entries[_key(folder)] = entry
            self._news += 1
        return entry

    def _entry_known(self, folder: Path) -> _Entry | None:
        """The entry of a folder whose files are still those that it was made of."""
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
        """The lines of the file, nothing where it is not whole or not ours. Read when first asked for."""
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
        path.touch()  # by the clock of the folder, which another machine may keep
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
    """That too few files are old enough: nothing is written."""


def _parsed(content: bytes) -> tuple[dict[str, bytes], list[Any]]:
    """Its lines by run and what these share. Raises ValueError, LookupError or TypeError for what is not whole or not ours."""
    body, digest = content[:-_HASH], content[-_HASH:].strip()
    if _digest(body) != digest:
        raise ValueError("it is not as it was written")
    lines = body.split(b"\n")
    head = json.loads(lines[0])
    if (head["form"], head["judged"]) != (FORM, _judged()):
        raise ValueError("another dropbench wrote it")
    first = 1 + head["shared"]
    of_runs = lines[first : first + head["runs"]]
    return {line[2 : line.index(b'"', 2)].decode(): line for line in of_runs}, list(map(json.loads, lines[1:first]))


def _digest(body: bytes) -> bytes:
    return hashlib.blake2b(body, digest_size=32).hexdigest().encode()


_HASH = 65
"""Bytes of the last line."""


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
"""The modules that decide what is made of a record's files."""


@cache
def _judged() -> str:
    """A hash of the code that reads and judges records: what other code has found right is read again."""
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
    """Whether a file was old enough when it was read to be sure that it is another one by its mark if it was changed since."""
    return _is_older(mark, entry.by_clock)


def _is_older(mark: Mark | None, moment: float) -> bool:
    return mark is None or max(mark[2], mark[3]) / 1e9 < moment - _SETTLED_S


def _names(folder: str) -> list[str]:
    try:
        return os.listdir(folder)
    except OSError:
        return []

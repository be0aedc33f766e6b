"""Reads numbers from a CSV file and reports faults by file, line and column."""

from __future__ import annotations

import csv
import gzip
import re
import zlib
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from dropbench.errors import UsageError, like, listed

_BEGINS = re.compile(r"\s*<(!doctype|html|\?xml|head|body)", re.IGNORECASE)


@dataclass(frozen=True)
class Numbers:
    """The content of a CSV file.

    Attributes
    ----------
    file : Path
        The path of the file.
    values : array
        [rows, columns] float64, all of them finite.
    columns : tuple of str
        The names of the columns; empty without a header of names.
    first_line : int
        The line of the first row in the file, from 1.
    """

    file: Path
    values: NDArray[np.float64]
    columns: tuple[str, ...]
    first_line: int

    def parted(self, label: str) -> tuple[NDArray[np.float32], NDArray[np.int64], tuple[str, ...]]:
        """Returns features [rows, columns - 1], labels [rows] from the column `label`, and the names of the features.

        Raises
        ------
        UsageError
            If there is no such column, or it contains anything other than whole numbers from 0 up.
        """
        if label not in self.columns:
            raise UsageError(
                f"{self.file} has no column '{label}'; {like(label, self.columns)}its columns are {listed(self.columns)}"
            )
        at = self.columns.index(label)
        y = self.values[:, at]
        if len(wrong := np.flatnonzero((y != np.floor(y)) | (y < 0) | (y >= 2**53))):
            place = _place(self.file, self.first_line + int(wrong[0]), at, self.columns)
            raise UsageError(f"{place}: {y[wrong[0]]:g} is not a label; labels are whole numbers from 0 up")
        names = tuple(name for name in self.columns if name != label)
        return np.delete(self.values, at, axis=1).astype(np.float32), y.astype(np.int64), names


def read_numbers(file: Path, *, header: Literal["names", "skip", "none"] = "names") -> Numbers:
    """Reads a CSV file of numbers, which may be compressed by gzip (`.gz`).

    Parameters
    ----------
    file : Path
        Its path.
    header : {"names", "skip", "none"}
        Whether its first line contains the names of the columns, something else, or the first row.

    Raises
    ------
    UsageError
        For a file that is missing, empty, damaged, not text or a web page, or that has only a header; for repeated names,
        rows of different lengths, and values that are missing, not numbers or not finite.
    """
    lines = _text(file).splitlines()
    while lines and not lines[-1].strip():
        lines.pop()
    if not lines:
        raise UsageError(f"{file} is empty")
    columns = _names(file, next(csv.reader(lines[:1]))) if header == "names" else ()
    rows = lines if header == "none" else lines[1:]
    if not rows:
        raise UsageError(f"{file} contains only a header")
    first_line = len(lines) - len(rows) + 1
    try:
        if not all(map(str.strip, rows)):
            raise ValueError  # loadtxt skips empty lines, so the numbers of later lines would be wrong
        values = np.loadtxt(rows, delimiter=",", comments=None, quotechar='"', dtype=np.float64, ndmin=2)
        if not np.isfinite(values).all() or len(columns) not in (0, values.shape[1]):
            raise ValueError
    except ValueError:
        raise _fault(file, rows, first_line, columns) from None
    return Numbers(file, values, columns, first_line)


def _text(file: Path) -> str:
    try:
        content = gzip.decompress(file.read_bytes()) if file.suffix == ".gz" else file.read_bytes()
        text = content.decode("utf-8-sig")
    except FileNotFoundError:
        raise UsageError(f"{file} does not exist") from None
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise UsageError(f"{file} is damaged: gzip cannot unpack it ({error})") from None
    except OSError as error:
        raise UsageError(f"{file} cannot be read: {(error.strerror or str(error)).lower()}") from None
    except UnicodeDecodeError as error:
        raise UsageError(f"{file} is not a text in UTF-8 (byte {error.start} is {content[error.start]:#04x})") from None
    if _BEGINS.match(text):
        raise UsageError(f"{file} contains a web page instead of data; download the data themselves")
    if "\0" in text:
        raise UsageError(f"{file} is not a text (byte {text.index(chr(0))} is 0x00)")
    return text


def _names(file: Path, header: Sequence[str]) -> tuple[str, ...]:
    names = tuple(name.strip() for name in header)
    for name, n in Counter(names).items():
        places = " and ".join(str(i + 1) for i, other in enumerate(names) if other == name)
        if n > 1:
            raise UsageError(
                f"{file}, line 1: the column '{name}' occurs {n} times (columns {places}); name each differently"
            )
        if not name:
            raise UsageError(f"{file}, line 1: column {places} has no name")
    return names


def _fault(file: Path, rows: Sequence[str], first_line: int, columns: Sequence[str]) -> UsageError:
    """Returns what is wrong in rows that do not consist of numbers only."""
    width = len(columns)
    for line, row in enumerate(rows, first_line):
        values = next(csv.reader([row]), [])
        width = width or len(values)
        if not row.strip():
            return UsageError(f"{file}, line {line} is empty")
        if len(values) != width:
            as_in = "the header" if columns else f"line {first_line}"
            return UsageError(f"{file}, line {line} has {len(values)} values, but {as_in} {width}")
        for i, value in enumerate(values):
            if (told := _wrong(value)) is not None:
                return UsageError(f"{_place(file, line, i, columns)}: {told}; every value must be a finite number")
    return UsageError(f"{file} cannot be read as numbers")


def _wrong(value: str) -> str | None:
    if not value.strip():
        return "the value is missing"
    try:
        return None if np.isfinite(float(value)) and "_" not in value else f"{value.strip()!r} is not finite"
    except ValueError:
        return f"{value.strip()[:40]!r} is not a number"


def _place(file: Path, line: int, column: int, columns: Sequence[str]) -> str:
    return f"{file}, line {line}, column {column + 1}" + (f" ('{columns[column]}')" if columns else "")

"""Reads a user's file as a frame of cells; reports what is wrong before much memory is used."""

from __future__ import annotations

import bz2
import codecs
import gzip
import lzma
import re
import warnings
from collections import Counter
from collections.abc import Callable, Mapping
from csv import reader as csv_rows
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from dropbench.data.tabular.columns import numbers_of
from dropbench.errors import UsageError, like, listed

if TYPE_CHECKING:
    import pandas as pd

Decimal = Literal["point", "comma"]
_UTF_8 = "utf-8-sig"
"""UTF-8, with or without the mark at its beginning that Excel writes."""
_NO_VALUE = ("?",)
"""Texts that mean a missing value, in addition to those of pandas (an empty cell, NA, NaN, null, None, ...)."""
_OPEN: Mapping[str, Callable[..., Any]] = {".gz": gzip.open, ".bz2": bz2.open, ".xz": lzma.open}
_OTHERS: Mapping[str, str] = {
    ".npz": "type data=npz",
    ".npy": "write x and y into one file, numpy.savez('my.npz', x=x, y=y), and type data=npz",
    ".xlsx": "save it as CSV",
    ".xls": "save it as CSV",
    ".ods": "save it as CSV",
}
"""Advice for other kinds of files that users try."""
_READERS = {
    ".json": "read_json",
    ".jsonl": "read_json",
    ".pkl": "read_pickle",
    ".pickle": "read_pickle",
    ".feather": "read_feather",
    ".h5": "read_hdf",
    ".hdf5": "read_hdf",
    ".dta": "read_stata",
    ".sas7bdat": "read_sas",
    ".sav": "read_spss",
    ".html": "read_html",
}
"""What pandas reads and dropbench does not."""
_PACKED = 5
"""The approximate factor by which a compressed file grows when it is unpacked."""
_SAMPLE = 2**20
"""The number of bytes from which the number of cells is estimated."""
_BYTES_A_CELL = 100
"""The memory per cell while a CSV is read: a Python string and its pointer."""
_SHARE = 0.7
"""The share of the machine's memory that may be used."""


@dataclass(frozen=True)
class Writing:
    """How a text file is written. None: numbers with a point; UTF-8.

    Parameters
    ----------
    decimal : {"point", "comma"}, optional
        What stands before the decimals of a number.
    encoding : str, optional
        The encoding, by a name that Python knows.

    Raises
    ------
    UsageError
        For an encoding that Python does not know.
    """

    decimal: Decimal | None = None
    encoding: str | None = None

    def __post_init__(self) -> None:
        try:
            codecs.lookup(self.codec)
        except LookupError:
            raise UsageError(
                f"data.encoding={self.encoding}: Python knows no such encoding; usual ones are utf-8, utf-16, cp1252 (Windows "
                "in Western Europe) and latin-1"
            ) from None

    @property
    def codec(self) -> str:
        """The encoding as Python's `open` takes it."""
        return _UTF_8 if self.encoding is None or self.encoding.lower() in ("utf-8", "utf8") else self.encoding

    @property
    def mark(self) -> str:
        """What stands before the decimals of a number."""
        return "," if self.decimal == "comma" else "."


def found(key: str, path: str | None, root: Path, kind: str) -> Path:
    """Returns the file that a key names: as typed, or in `data.root`.

    Raises
    ------
    UsageError
        If there is no such file, or if it is a folder.
    """
    if not path:
        raise UsageError(f"{key} is not set: it names your file, as in data={kind} {key}=my.{kind}")
    typed = Path(path).expanduser()
    file = next((f for f in (typed, root / typed) if f.exists()), None)
    if file is None:
        folder = typed.parent if typed.parent.is_dir() else Path()
        others = sorted(f.name for f in folder.iterdir() if f.is_file() and f.suffix == typed.suffix)
        there = f"in {folder} there is {listed(others)}" if folder != Path() else f"there is {listed(others)}"
        hint = f"; {like(typed.name, others)}{there}" if others else ""
        raise UsageError(f"{key}={path}: there is no such file{hint}")
    if file.is_dir():
        raise UsageError(
            f"{key}={path} is a folder; name a file in it, or use data=image_folder for folders of pictures"
        )
    return file


def _advice(file: Path) -> str | None:
    """Returns what to do with a file of another kind, or None."""
    if (reader := _READERS.get(file.suffix.lower())) is None:
        return _OTHERS.get(file.suffix.lower())
    return f"save it as CSV: pandas.{reader}({file.name!r}).to_csv({f'{file.stem}.csv'!r}, index=False)"


def csv(file: Path, memory: int | None, writing: Writing | None = None) -> pd.DataFrame:
    """Reads the cells of a CSV file with a line of headings; `.gz`, `.bz2` and `.xz` are unpacked.

    The separator (comma, semicolon, tab or bar) is found automatically. `memory` is that of the machine, in bytes.
    writing: see `Writing`.

    Raises
    ------
    UsageError
        If the file is not such a text, has repeated or no headings, or would not fit in memory.
    """
    import pandas as pd

    if (kind := _advice(file)) is not None:
        raise UsageError(f"{file} is not a table in text form; {kind}")
    writing = writing or Writing()
    try:
        first = _first_lines(file, writing.codec)
        if not first:
            raise UsageError(f"{file} is empty")
        separator = _separator(first[0], writing)
        headings = _headings(file, separator, writing)
        _check_size(file, len(headings), first, memory)
        with warnings.catch_warnings():
            warnings.simplefilter("error", pd.errors.ParserWarning)  # raised for a row with more cells than headings
            frame = pd.read_csv(
                file,
                sep=separator,
                na_values=list(_NO_VALUE),
                skipinitialspace=True,
                encoding=writing.codec,
                decimal=writing.mark,
                low_memory=False,
            )
    except UsageError:
        raise
    except (pd.errors.ParserError, pd.errors.ParserWarning) as error:
        told = " ".join(str(error).removeprefix("Error tokenizing data. C error: ").split())
        raise UsageError(f"{file} is not a table: {told}") from error
    except UnicodeError as error:
        raise _undecodable(file, writing, error) from error
    except (OSError, EOFError, lzma.LZMAError, ValueError) as error:
        raise UsageError(f"{file} cannot be read: {' '.join(str(error).split())}") from error
    if isinstance(frame.index, pd.RangeIndex):
        return _named(file, _stripped(frame), headings)
    raise UsageError(f"{file}: its rows have more cells than its first line; that line must name every column")


def parquet(file: Path, memory: int | None) -> pd.DataFrame:
    """Reads the cells of a Parquet file. Raises UsageError as `csv` does, and if pyarrow is not installed."""
    import pandas as pd

    try:
        import pyarrow.parquet as pq  # type: ignore[import-untyped]
    except ImportError:
        raise UsageError("data=parquet needs pyarrow: pip install 'dropbench[parquet]'") from None
    try:
        told = pq.ParquetFile(file).metadata
        check_memory(file, told.num_rows * told.num_columns * 8, memory)
        frame = pd.read_parquet(file)
    except UsageError:
        raise
    except Exception as error:  # pyarrow has its own exceptions
        raise UsageError(f"{file} is not a Parquet file: {' '.join(str(error).split())}") from error
    return _named(file, _stripped(frame.reset_index(drop=True)), [str(c) for c in frame.columns])


def _undecodable(file: Path, writing: Writing, error: UnicodeError) -> UsageError:
    """Returns the error of a file in another encoding, with the encoding that it probably has."""
    at = f" (byte {error.start})" if isinstance(error, UnicodeDecodeError) else ""
    if writing.encoding is not None:
        return UsageError(f"data.encoding={writing.encoding}: {file} is not a text in this encoding{at}")
    with _OPEN.get(file.suffix, open)(file, "rb") as opened:
        marked = opened.read(2) in (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
    likely = "utf-16" if marked else "cp1252 (Windows in Western Europe)"
    return UsageError(
        f"{file} is not a text in UTF-8{at}: type its encoding, such as data.encoding={likely}, or save it as UTF-8"
    )


def _first_lines(file: Path, encoding: str) -> list[str]:
    with _OPEN.get(file.suffix, open)(file, "rt", encoding=encoding) as opened:
        text: str = opened.read(_SAMPLE)
    if "\0" in text:
        raise UsageError(f"{file} is not a text; save your table as CSV or Parquet")
    return [line for line in text.splitlines() if line.strip()]


def _separator(headings: str, writing: Writing) -> str:
    """Returns the separator that occurs most often in the first line, outside of quotes.

    Where numbers have a comma, commas separate only if nothing else does: a heading may contain one.
    """
    bare = re.sub(r'"[^"]*"?', "", headings)
    marks = (",", ";", "\t", "|")
    return max(marks, key=lambda mark: bare.count(mark) if mark != writing.mark else bool(bare.count(mark)) / 2)


def _headings(file: Path, separator: str, writing: Writing) -> list[str]:
    """Returns the cells of the first line that is not empty; in quotes they may contain separators and line ends.

    Raises
    ------
    UsageError
        If they look like the numbers of a first row. A frame from a NumPy array has the headings 0, 1, 2, ...
    """
    with _OPEN.get(file.suffix, open)(file, "rt", encoding=writing.codec, newline="") as opened:
        rows = csv_rows(opened, delimiter=separator, skipinitialspace=True)
        headings = next(row for row in rows if any(cell.strip() for cell in row))
    values = numbers_of([heading.replace(writing.mark, ".") for heading in headings])
    if values is not None and len(values) > 1 and any(values != np.arange(len(values)) + values[0]):
        raise UsageError(
            f"{file} begins with the numbers {', '.join(headings[:3])}: its first line must name the columns"
        )
    return headings


def _check_size(file: Path, columns: int, lines: list[str], memory: int | None) -> None:
    length = sum(len(line) + 1 for line in lines) / len(lines)
    size = file.stat().st_size * (_PACKED if file.suffix in _OPEN else 1)
    check_memory(file, int(size / length * columns * _BYTES_A_CELL), memory)


def check_memory(file: Path, needed: int, memory: int | None) -> None:
    """Raises UsageError if the needed bytes would not fit in the machine's memory, if that is known."""
    if memory is not None and needed > _SHARE * memory:
        raise UsageError(
            f"{file} would take about {needed / 2**30:.0f} GiB in memory, and this machine has {memory / 2**30:.0f}: "
            "give fewer rows or columns"
        )


def _stripped(frame: pd.DataFrame) -> pd.DataFrame:
    """Removes spaces around texts and headings; a text of spaces only becomes a missing value."""
    import pandas as pd

    frame = frame.rename(columns=lambda name: str(name).strip())
    for name in frame.columns:
        cells = frame[name]
        if isinstance(cells, pd.Series) and not (pd.api.types.is_numeric_dtype(cells) or cells.dtype.kind in "Mb"):
            # A cell may be a list, which cannot be compared.
            frame[name] = cells.map(lambda v: (v.strip() or None) if isinstance(v, str) else v)
    return frame


def _named(file: Path, frame: pd.DataFrame, headings: list[str]) -> pd.DataFrame:
    names = [h.strip() for h in headings]
    if twice := [n for n, count in Counter(names).items() if count > 1 and n]:
        raise UsageError(f"{file}: the column '{twice[0]}' occurs twice; name each differently")
    if not len(frame):
        raise UsageError(f"{file} contains headings but no rows")
    if len(frame.columns) < 2:
        raise UsageError(
            f"{file} has only one column, '{frame.columns[0]}'; a table needs inputs and a target, separated by commas, "
            "semicolons, tabs or bars"
        )
    return frame

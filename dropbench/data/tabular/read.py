"""A user's file as a frame of cells, with what is wrong with it told before it costs memory."""

from __future__ import annotations

import bz2
import gzip
import lzma
import re
import warnings
from collections import Counter
from collections.abc import Callable, Mapping
from csv import reader as csv_rows
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from dropbench.data.tabular.columns import like, numbers_of, some
from dropbench.errors import UsageError

if TYPE_CHECKING:
    import pandas as pd

_NO_VALUE = ("?",)
"""Texts that mean that there is no value, beside those of pandas (an empty cell, NA, NaN, null, None, ...)."""
_OPEN: Mapping[str, Callable[..., Any]] = {".gz": gzip.open, ".bz2": bz2.open, ".xz": lzma.open}
_OTHERS: Mapping[str, str] = {
    ".npz": "type data=npz",
    ".xlsx": "save it as CSV",
    ".xls": "save it as CSV",
    ".ods": "save it as CSV",
}
"""What to do with files that are often tried."""
_PACKED = 5
"""How many times as large a packed file is when it is unpacked, about."""
_SAMPLE = 2**20
"""Bytes from which the number of cells is estimated."""
_BYTES_A_CELL = 100
"""While a CSV is read: a text of Python's and its place."""
_SHARE = 0.7
"""Of the memory of the machine."""


def found(key: str, path: str | None, root: Path, kind: str) -> Path:
    """The file that a key names: where it was typed, or below `data.root`.

    Raises
    ------
    UsageError
        Where there is none, or a folder.
    """
    if not path:
        raise UsageError(f"{key} is not set: it names your file, as in data={kind} {key}=my.{kind}")
    typed = Path(path).expanduser()
    file = next((f for f in (typed, root / typed) if f.exists()), None)
    if file is None:
        folder = typed.parent if typed.parent.is_dir() else Path()
        others = sorted(f.name for f in folder.iterdir() if f.is_file() and f.suffix == typed.suffix)
        there = f"in {folder} there is {some(others)}" if folder != Path() else f"there is {some(others)}"
        hint = f"; {like(typed.name, others)}{there}" if others else ""
        raise UsageError(f"{key}={path}: there is no such file{hint}")
    if file.is_dir():
        raise UsageError(
            f"{key}={path} is a folder; name a file in it, or type data=image_folder for folders of pictures"
        )
    return file


def csv(file: Path, memory: int | None) -> pd.DataFrame:
    """The cells of a CSV file with a line of headings; `.gz`, `.bz2` and `.xz` are unpacked.

    The separator is found among comma, semicolon, tab and bar. `memory` in bytes: of the machine.

    Raises
    ------
    UsageError
        For a file that is no such text, has a heading that stands twice or none, or would not fit in memory.
    """
    import pandas as pd

    if (kind := _OTHERS.get(file.suffix)) is not None:
        raise UsageError(f"{file} is no table of text; {kind}")
    try:
        first = _first_lines(file)
        if not first:
            raise UsageError(f"{file} is empty")
        separator = _separator(first[0])
        headings = _headings(file, separator)
        _check_size(file, len(headings), first, memory)
        with warnings.catch_warnings():
            warnings.simplefilter("error", pd.errors.ParserWarning)  # a row longer than the headings
            frame = pd.read_csv(
                file,
                sep=separator,
                na_values=list(_NO_VALUE),
                skipinitialspace=True,
                encoding="utf-8-sig",
                low_memory=False,
            )
    except UsageError:
        raise
    except (pd.errors.ParserError, pd.errors.ParserWarning) as error:
        told = " ".join(str(error).removeprefix("Error tokenizing data. C error: ").split())
        raise UsageError(f"{file} is no table: {told}") from error
    except UnicodeDecodeError as error:
        raise UsageError(f"{file} is no text in UTF-8 (byte {error.start}); save it as UTF-8, or as Parquet") from error
    except (OSError, EOFError, lzma.LZMAError, ValueError) as error:
        raise UsageError(f"{file} cannot be read: {' '.join(str(error).split())}") from error
    if isinstance(frame.index, pd.RangeIndex):
        return _named(file, _stripped(frame), headings)
    raise UsageError(f"{file}: its rows have more cells than its first line; that line must name every column")


def parquet(file: Path, memory: int | None) -> pd.DataFrame:
    """The cells of a Parquet file. Raises UsageError as `csv` does, and where pyarrow is not installed."""
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
    except Exception as error:  # pyarrow's own kinds
        raise UsageError(f"{file} is no Parquet file: {' '.join(str(error).split())}") from error
    return _named(file, _stripped(frame.reset_index(drop=True)), [str(c) for c in frame.columns])


def _first_lines(file: Path) -> list[str]:
    with _OPEN.get(file.suffix, open)(file, "rt", encoding="utf-8-sig") as opened:
        text: str = opened.read(_SAMPLE)
    if "\0" in text:
        raise UsageError(f"{file} is no text; save your table as CSV, or as Parquet")
    return [line for line in text.splitlines() if line.strip()]


def _separator(headings: str) -> str:
    """The one that stands most often in the first line, outside of quotes."""
    bare = re.sub(r'"[^"]*"?', "", headings)
    return max((",", ";", "\t", "|"), key=bare.count)


def _headings(file: Path, separator: str) -> list[str]:
    """The cells of the first line that has any; in quotes they may hold separators and ends of lines.

    Raises
    ------
    UsageError
        Where they look like the numbers of a first row. A frame of numpy's has 0, 1, 2, ... for headings.
    """
    with _OPEN.get(file.suffix, open)(file, "rt", encoding="utf-8-sig", newline="") as opened:
        rows = csv_rows(opened, delimiter=separator, skipinitialspace=True)
        headings = next(row for row in rows if any(cell.strip() for cell in row))
    values = numbers_of(headings)
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
    """Raises UsageError where so many bytes would not fit in the memory of the machine, if that is known."""
    if memory is not None and needed > _SHARE * memory:
        raise UsageError(
            f"{file} would take about {needed / 2**30:.0f} GiB in memory, and this machine has {memory / 2**30:.0f}: "
            "give fewer rows or columns"
        )


def _stripped(frame: pd.DataFrame) -> pd.DataFrame:
    """Without spaces around texts and headings; a text of spaces alone is no value."""
    import pandas as pd

    frame = frame.rename(columns=lambda name: str(name).strip())
    for name in frame.columns:
        cells = frame[name]
        if isinstance(cells, pd.Series) and not (pd.api.types.is_numeric_dtype(cells) or cells.dtype.kind in "Mb"):
            # A cell may be a list, which equals nothing.
            frame[name] = cells.map(lambda v: (v.strip() or None) if isinstance(v, str) else v)
    return frame


def _named(file: Path, frame: pd.DataFrame, headings: list[str]) -> pd.DataFrame:
    names = [h.strip() for h in headings]
    if twice := [n for n, count in Counter(names).items() if count > 1 and n]:
        raise UsageError(f"{file}: the column '{twice[0]}' occurs twice; name each differently")
    if not len(frame):
        raise UsageError(f"{file} holds headings and no rows")
    if len(frame.columns) < 2:
        raise UsageError(
            f"{file} has one column, '{frame.columns[0]}'; a table has inputs and a target, with commas, semicolons, "
            "tabs or bars between them"
        )
    return frame

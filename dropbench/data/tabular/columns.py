"""What each column of a table is: a number, a category, a date, or nothing to learn from; as its cells look, or as is said."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np
from numpy.typing import NDArray

from dropbench.errors import UsageError, nearest

if TYPE_CHECKING:
    import pandas as pd

Kind = Literal["number", "category", "date", "id", "constant", "empty", "text"]
USED: tuple[Kind, ...] = ("number", "date", "category")
"""Kinds that become inputs; columns of the others are left out."""
MISSING = "missing"
"""The level of a category for cells without a value."""
_FEW, _SHARE = 30, 0.5
"""A text column with more different values than the first, and than this share of its cells, names rows and not groups."""


@dataclass(frozen=True)
class Column:
    """A column of a table.

    Attributes
    ----------
    name : str
        Its heading.
    kind : str
        number; date (ISO 8601, read as days since 1970); category; and, left out: id (a value of its own in every row),
        constant, empty, text (nearly as many texts as rows).
    missing : int
        Cells without a value.
    levels : tuple of str
        Of a category, its values over all rows, sorted; `missing` is the last where cells are empty.
    """

    name: str
    kind: Kind
    missing: int = 0
    levels: tuple[str, ...] = ()

    @property
    def used(self) -> bool:
        """Whether it is an input."""
        return self.kind in USED

    @property
    def told(self) -> str:
        """Why a column that is no input is none."""
        return {
            "id": "has a value of its own in every row",
            "constant": "has one value in all rows",
            "empty": "has no value in any row",
            "text": "has nearly as many texts as rows",
        }.get(self.kind, "")


def columns_of(
    frame: pd.DataFrame, *, categorical: Sequence[str], numeric: Sequence[str], ids: Sequence[str] | None
) -> tuple[Column, ...]:
    """The columns of a frame of inputs, in order.

    Parameters
    ----------
    frame : DataFrame
        Cells as texts, numbers or dates; missing ones as NaN or None.
    categorical, numeric : sequence of str
        Columns whose kind the user gave.
    ids : sequence of str or None
        Columns that name rows and are no inputs; None: those are that look so.

    Raises
    ------
    UsageError
        For a column that is not there, named twice, or said to be a number and is none.
    """
    for key, names in (("categorical", categorical), ("numeric", numeric), ("ids", ids or ())):
        check_names(f"data.{key}", names, list(frame.columns))
    said: dict[str, Kind] = {
        **dict.fromkeys(ids or (), "id"),
        **dict.fromkeys(categorical, "category"),
        **dict.fromkeys(numeric, "number"),
    }
    if len(said) < len(categorical) + len(numeric) + len(ids or ()):
        twice = next(n for n in said if (n in categorical) + (n in numeric) + (n in (ids or ())) > 1)
        raise UsageError(
            f"data: the column '{twice}' cannot be of two kinds; name it in one of categorical, numeric, ids"
        )
    return tuple(_column(frame[name], said.get(name), ids is None) for name in frame.columns)


def check_names(key: str, names: Sequence[str], known: Sequence[str]) -> None:
    """Raises UsageError for a name that no column has."""
    for name in names:
        if name not in known:
            raise UsageError(f"{key}: there is no column '{name}'; {nearest(name, known)}")


def _column(cells: pd.Series, said: Kind | None, look_for_ids: bool) -> Column:
    name, missing = str(cells.name), int(cells.isna().sum())
    present = cells.dropna()
    if said in ("id", None) and not len(present):
        return Column(name, "empty", missing)
    if said == "id":
        return Column(name, "id", missing)
    if said is None and present.nunique() == 1 and not missing:
        return Column(name, "constant", missing)
    kind = said or _kind(present, missing, look_for_ids)
    if kind == "number" and numbers(present) is None:
        wrong = next(str(v) for v in present if numbers_of([v]) is None)
        raise UsageError(
            f"data.numeric: the column '{name}' holds {wrong!r}, which is no number; leave it out of data.numeric"
        )
    return Column(name, kind, missing, levels(cells) if kind == "category" else ())


def _kind(present: pd.Series, missing: int, look_for_ids: bool) -> Kind:
    values = numbers(present)
    different = present.nunique()
    each_its_own = different == len(present) and not missing and len(present) > _FEW
    if values is not None:
        # The numbers of the rows: 1, 2, 3, ... in any order.
        counts = each_its_own and bool((np.sort(values) == np.arange(len(values)) + values.min()).all())
        return "id" if counts and look_for_ids else "number"
    if dates(present) is not None:
        return "date"
    if each_its_own and look_for_ids:
        return "id"
    if different > _FEW and different > _SHARE * len(present):
        return "text"
    return "category"


def levels(cells: pd.Series) -> tuple[str, ...]:
    """The different values of a category, sorted, and `missing` where some are."""
    known = sorted(set(texts(cells.dropna())))
    return (*known, MISSING) if bool(cells.isna().any()) and MISSING not in known else tuple(known)


def texts(cells: pd.Series) -> list[str]:
    """Values as texts: a whole number without its `.0`, as a column of numbers with gaps would have it."""
    return [str(int(v)) if isinstance(v, float | np.floating) and float(v).is_integer() else str(v) for v in cells]


def codes(cells: pd.Series, known: Sequence[str]) -> NDArray[np.float64]:
    """The place of each cell's value among the levels, [n]; -1 for one that is not among them."""
    place = {level: i for i, level in enumerate(known)}
    missing = place.get(MISSING, -1)
    found = np.full(len(cells), float(missing))
    present = ~cells.isna().to_numpy()
    found[present] = [place.get(text, -1) for text in texts(cells[present])]
    return found


def numbers(present: pd.Series) -> NDArray[np.float64] | None:
    """The values as numbers, or None where one is none or not finite."""
    if present.dtype.kind in "iuf":
        values = present.to_numpy(dtype=np.float64)
        return values if bool(np.isfinite(values).all()) else None
    return None if present.dtype.kind == "b" else numbers_of(present.tolist())


def numbers_of(values: Sequence[object]) -> NDArray[np.float64] | None:
    """The same of any list."""
    try:
        # "1_000" is a number to Python alone.
        if any(isinstance(v, bool) or (isinstance(v, str) and "_" in v) for v in values):
            return None
        found = np.array([float(v) for v in values])  # type: ignore[arg-type]
    except (TypeError, ValueError):
        return None
    return found if bool(np.isfinite(found).all()) else None


def dates(present: pd.Series) -> NDArray[np.float64] | None:
    """The values as days since 1970, or None where one is no date in ISO 8601 (2024-03-01, 2024-03-01T12:30)."""
    import pandas as pd

    if present.dtype.kind != "M":
        first = str(present.iloc[0])
        if not (first[:4].isdigit() and first[4:5] == "-"):
            return None
        try:
            present = pd.to_datetime(present, format="ISO8601", utc=True)
        except (ValueError, TypeError):
            return None
    if getattr(present.dt, "tz", None) is not None:
        present = present.dt.tz_convert("UTC").dt.tz_localize(None)
    nanoseconds = present.astype("datetime64[ns]").astype("int64").to_numpy()
    return np.asarray(nanoseconds / 86_400e9, dtype=np.float64)


def as_numbers(cells: pd.Series, kind: Kind) -> NDArray[np.float64]:
    """A column of numbers or dates, [n], NaN where a cell is empty.

    Raises
    ------
    UsageError
        For a cell that is neither empty nor of this kind.
    """
    found = np.full(len(cells), np.nan)
    present = ~cells.isna().to_numpy()
    if present.any():
        values = (numbers if kind == "number" else dates)(cells[present])
        if values is None:
            raise UsageError(f"the column '{cells.name}' holds a value that is no {kind}")
        found[present] = values
    return found

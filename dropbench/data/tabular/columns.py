"""Finds the kind of each column of a table (number, category, date or unused) from its cells or from the user's settings."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np
from numpy.typing import NDArray

from dropbench.errors import UsageError, like, listed
from dropbench.values import count

if TYPE_CHECKING:
    import pandas as pd

Kind = Literal["number", "category", "date", "id", "constant", "empty", "text", "other"]
USED: tuple[Kind, ...] = ("number", "date", "category")
"""The kinds that become inputs; columns of other kinds are left out."""
MISSING = "missing"
"""The level of a category that stands for cells without a value."""
_FEW, _SHARE = 30, 0.5
"""A text column with more different values than _FEW, and more than _SHARE of its cells, identifies rows and is not a
category."""
_EXACT = 2**53
"""Larger integers are treated as names, since float64 does not represent them exactly."""


@dataclass(frozen=True)
class Column:
    """A column of a table.

    Attributes
    ----------
    name : str
        Its heading.
    kind : str
        number; date (ISO 8601, converted to days since 1970); category. Unused: id (a different value in every row),
        constant, empty, text (different texts in most rows), other (lists, bytes and the like).
    missing : int
        Number of cells without a value.
    levels : tuple of str
        For a category, its values over all rows, sorted; `missing` is the last if cells are empty.
    odd : str or None
        If most texts are numbers: a text that is not.
    writing : str or None
        If a category's values are numbers or dates in a format that is not read, such as 10% or 31.12.2024: one of them.
    """

    name: str
    kind: Kind
    missing: int = 0
    levels: tuple[str, ...] = ()
    odd: str | None = None
    writing: str | None = None

    @property
    def used(self) -> bool:
        """Whether it becomes an input."""
        return self.kind in USED

    @property
    def told(self) -> str:
        """Why the column is not an input, or why it is read as a category although it may be meant differently."""
        if self.odd is not None:
            return f"contains {self.odd!r} among numbers; leave such cells empty to make it a number"
        if self.writing is not None:
            date = _DATE.fullmatch(self.writing)
            plain = (
                "dates like 2024-03-01 to make it a date"
                if date
                else "only digits and a decimal point to make it a number"
            )
            if _DECIMAL_COMMA.fullmatch(self.writing):
                plain += ", or type data.decimal=comma if the comma stands before decimals"
            return f"contains texts such as {self.writing!r}; write {plain}"
        return {
            "id": "has a different value in every row",
            "constant": "has the same value in all rows",
            "empty": "has no value in any row",
            "text": "has different texts in most rows",
            "other": "contains neither numbers nor texts",
        }.get(self.kind, "")


def columns_of(
    frame: pd.DataFrame, *, categorical: Sequence[str], numeric: Sequence[str], ids: Sequence[str] | None
) -> tuple[Column, ...]:
    """Returns the columns of a frame of inputs, in order.

    Parameters
    ----------
    frame : DataFrame
        Cells as texts, numbers or dates; missing ones as NaN or None.
    categorical, numeric : sequence of str
        Columns whose kind the user set.
    ids : sequence of str or None
        Columns that identify rows and are not inputs; None: those that look like it.

    Raises
    ------
    UsageError
        For a column that does not exist, is named twice, or is set to be a number and is not.
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
            f"data: the column '{twice}' cannot be of two kinds; name it in only one of categorical, numeric, ids"
        )
    return tuple(_column(frame[name], said.get(name), ids is None) for name in frame.columns)


def check_names(key: str, names: Sequence[str], known: Sequence[str]) -> None:
    """Raises UsageError for a name that no column has."""
    for name in names:
        if name not in known:
            raise UsageError(f"{key}: there is no column '{name}'; {like(name, known)}its columns are {listed(known)}")


def _column(cells: pd.Series, said: Kind | None, look_for_ids: bool) -> Column:
    name, missing = str(cells.name), int(cells.isna().sum())
    present = cells.dropna()
    if said in ("id", None) and not len(present):
        return Column(name, "empty", missing)
    if said == "id":
        return Column(name, "id", missing)
    if present.dtype.kind == "m" or (present.dtype == object and not present.map(_of_a_table).all()):
        return Column(name, "other", missing)
    _check_finite(present)
    if said is None and present.nunique() == 1 and not missing:
        return Column(name, "constant", missing)
    kind = said or _kind(present, missing, look_for_ids)
    if kind == "number" and numbers(present) is None:
        wrong = next(str(v) for v in present if numbers_of([v]) is None)
        raise UsageError(
            f"data.numeric: the column '{name}' contains {wrong!r}, which is not a number; remove it from data.numeric"
        )
    if said is not None or kind in ("number", "date"):
        return Column(name, kind, missing, levels(cells) if kind == "category" else ())
    check_writing(present)
    if kind != "category":
        return Column(name, kind, missing, odd=_odd(present))
    return Column(name, kind, missing, levels(cells), _odd(present), _writing(present))


def _of_a_table(value: object) -> bool:
    """Returns whether a cell is a number, a text or a date, and not a list or bytes."""
    return not (isinstance(value, bytes) or (hasattr(value, "__len__") and not isinstance(value, str)))


def _kind(present: pd.Series, missing: int, look_for_ids: bool) -> Kind:
    values = numbers(present)
    different = present.nunique()
    each_its_own = different == len(present) and not missing and len(present) > _FEW
    if values is not None and not (present.dtype.kind in "iu" and np.abs(values).max() > _EXACT):
        # True for row numbers: 1, 2, 3, ... in any order.
        counts = each_its_own and bool((np.sort(values) == np.arange(len(values)) + values.min()).all())
        return "id" if counts and look_for_ids else "number"
    if values is None and dates(present) is not None:
        return "date"
    if each_its_own and look_for_ids:
        return "id"
    if different > _FEW and different > _SHARE * len(present):
        return "text"
    return "category"


def _check_finite(present: pd.Series) -> None:
    """Raises UsageError for a number that is infinite or too large for float32."""
    if present.dtype.kind != "f":
        return
    with np.errstate(over="ignore"):
        wrong = ~np.isfinite(present.to_numpy(dtype=np.float64).astype(np.float32))
    if wrong.any():
        at = int(wrong.argmax())
        raise UsageError(
            f"the column '{present.name}' contains {present.iloc[at]} ({count(int(wrong.sum()), 'row')}, the first is row "
            f"{present.index[at] + 1}): numbers are at most 3.4e38; leave such cells empty, or leave the column out: "
            f"data.drop=[{present.name}]"
        )


_DECIMAL_COMMA = re.compile(r"[-+]?\d+,\d+")
_OTHER_WRITING = re.compile(
    r"[-+]?[$€£]? ?[-+]?(\d+|\d{1,3}([,.'\u202f ]\d{3})+)([.,]\d+)? ?[$€£%]?"  # for instance -1.000,50 €
)
_DATE = re.compile(r"\d{1,4}[./-]\d{1,2}[./-]\d{1,4}")


def check_writing(present: pd.Series) -> None:
    """Raises UsageError if all texts are numbers or dates in a format that is not read: 12,5 or $3 or 31.12.2024."""
    seen = [v if isinstance(v, str) else "" for v in present.unique()]
    column, leave = f"the column '{present.name}'", f"if they are names, set data.categorical=[{present.name}]"
    if all(_OTHER_WRITING.fullmatch(v) for v in seen):
        commas = [v for v in seen if _DECIMAL_COMMA.fullmatch(v)]
        # 44,000 may have either meaning.
        if any(len(v.partition(",")[2]) != 3 for v in commas):
            raise UsageError(
                f"{column} writes numbers with a comma, such as {commas[0]!r}: for a CSV file type data.decimal=comma, "
                f"otherwise write {commas[0].replace(',', '.')}; {leave}"
            )
        if len(seen) > _FEW:
            raise UsageError(f"{column} writes numbers as {seen[0]!r}: write only digits and a decimal point; {leave}")
    if len(seen) > _FEW and all(_DATE.fullmatch(v) for v in seen):
        raise UsageError(
            f"{column} writes dates as {seen[0]!r}: write them like 2024-03-01, or leave them out: data.drop=[{present.name}]"
        )


def _writing(present: pd.Series) -> str | None:
    """Returns such a value of a column with few values; they may be names, so no error is raised."""
    seen = [v if isinstance(v, str) else "" for v in present.unique()]
    unread = [v for v in seen if numbers_of([v]) is None]
    alike = any(all(form.fullmatch(v) for v in seen) for form in (_OTHER_WRITING, _DATE))
    return unread[0] if alike and unread else None


def _odd(present: pd.Series) -> str | None:
    """Returns a text among many numbers, such as one that stands for a missing value."""
    seen = present.unique()
    if len(seen) <= _FEW:
        return None
    texts_alone = [str(v) for v in seen if numbers_of([v]) is None]
    return texts_alone[0] if 0 < len(texts_alone) < _SHARE * len(seen) else None


def levels(cells: pd.Series) -> tuple[str, ...]:
    """Returns the different values of a category, sorted, and `missing` if some are."""
    known = sorted(set(texts(cells.dropna())))
    return (*known, MISSING) if bool(cells.isna().any()) and MISSING not in known else tuple(known)


def texts(cells: Iterable[object]) -> list[str]:
    """Converts values to texts, integers without the `.0` that they have in a column with gaps."""
    return [str(int(v)) if isinstance(v, float | np.floating) and float(v).is_integer() else str(v) for v in cells]


def codes(cells: pd.Series, known: Sequence[str]) -> NDArray[np.float64]:
    """Returns the index of each cell's value among the levels, [n], or -1 if it is not among them."""
    place = {level: i for i, level in enumerate(known)}
    missing = place.get(MISSING, -1)
    found = np.full(len(cells), float(missing))
    present = ~cells.isna().to_numpy()
    found[present] = [place.get(text, -1) for text in texts(cells[present])]
    return found


def numbers(present: pd.Series) -> NDArray[np.float64] | None:
    """Converts the values to numbers; returns None if one is not a number or not finite."""
    if present.dtype.kind in "iuf":
        values = present.to_numpy(dtype=np.float64)
        return values if bool(np.isfinite(values).all()) else None
    return None if present.dtype.kind == "b" else numbers_of(present.tolist())


def numbers_of(values: Sequence[object]) -> NDArray[np.float64] | None:
    """Does the same for any list."""
    try:
        # "1_000" is a number only in Python.
        if any(isinstance(v, bool) or (isinstance(v, str) and "_" in v) for v in values):
            return None
        found = np.array([float(v) for v in values])  # type: ignore[arg-type]
    except (TypeError, ValueError):
        return None
    return found if bool(np.isfinite(found).all()) else None


def dates(present: pd.Series) -> NDArray[np.float64] | None:
    """Converts dates to days since 1970; returns None if one is not in ISO 8601 (2024-03-01, 2024-03-01T12:30)."""
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
    """Converts a column of numbers or dates, [n]; empty cells become NaN.

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
            wrong = next((str(v) for v in cells[present] if kind == "date" or numbers_of([v]) is None), "")
            raise UsageError(f"the column '{cells.name}' contains {wrong!r}, which is not a {kind}")
        found[present] = values
    return found

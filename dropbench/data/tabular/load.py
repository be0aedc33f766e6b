"""`data=csv` and `data=parquet`: a user's own table, for which only a path and a target must be set."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import numpy as np
import torch
from pydantic import BeforeValidator
from torch import Tensor

from dropbench.data.base import Table
from dropbench.data.tabular import read
from dropbench.data.tabular.columns import (
    Column,
    as_numbers,
    check_names,
    columns_of,
    dates,
    numbers,
    texts,
)
from dropbench.data.tabular.noted import LEVELS, notes_on, remedies_for, unused
from dropbench.data.tabular.prepare import Columns, Prepared, Scale
from dropbench.data.tabular.target import Asked, target_of
from dropbench.errors import UsageError, like, listed
from dropbench.hardware.ram import ram
from dropbench.identity import PATH, data_name
from dropbench.values import count

if TYPE_CHECKING:
    import pandas as pd
    from numpy.typing import NDArray


def _name(value: object) -> object:
    """Converts a heading to text, since it may look like a number or a boolean."""
    return str(value).lower() if isinstance(value, bool) else str(value) if isinstance(value, int | float) else value


Name = Annotated[str, BeforeValidator(_name)]
"""The name of a column."""
Names = Annotated[
    tuple[Name, ...],
    BeforeValidator(lambda value: value if value is None or isinstance(value, list | tuple) else (value,)),
]
"""Names of columns; a single name is treated as a list."""
_BESIDE = {"group": {"drop"}, "weight": {"drop"}, "time": {"drop", "categorical", "numeric", "ids"}}
"""The further roles that a column may have besides its first one."""
_BYTES_AN_INPUT = 24
"""Memory per row and input while the inputs of a seed are made: float32 unscaled and scaled, and two copies in float64."""
_LOOKED_AT = 100
"""The cells of a column from which it is told that it holds sentences."""
_SHARE = 0.7
"""The share of the machine's memory that may be used."""


def table(
    root: Path,
    download: bool,
    *,
    path: str | None = None,
    target: Name | None = None,
    task: Asked = "auto",
    scale: Scale = "standard",
    categorical: Names = (),
    numeric: Names = (),
    drop: Names = (),
    ids: Names | None = None,
    group: Name | None = None,
    time: Name | None = None,
    weight: Name | None = None,
    test_path: str | None = None,
    decimal: read.Decimal | None = None,
    encoding: str | None = None,
) -> Table:
    """Reads a CSV file whose first line names the columns, or a Parquet file (`.parquet`, `.pq`).

    Parameters
    ----------
    root : Path
        The folder in which `path` is looked for if it does not exist as typed.
    download : bool
        Not used.
    path : str
        The file.
    target : str
        The column to predict. Rows without a value there are left out.
    task : {"auto", "classify", "regress"}
        Whether the target is a class or a number; auto: see `target.target_of`.
    scale : {"standard", "quantile", "squash"}
        The scaling of numbers: see `prepare.Columns`.
    categorical, numeric : list of str
        Columns whose kind would not be recognised: see `columns.Column`.
    drop : list of str
        Columns that are not used.
    ids : list of str, optional
        Columns that identify rows and are not used; None: those that look like it.
    group : str
        A column: rows with the same value stay in the same split. It is not an input.
    time : str
        A column of numbers or dates: the latest rows are for test, the earliest for training. It is also an input, unless it
        is dropped.
    weight : str
        A column of non-negative numbers: the weight of each row in the training loss. It is not an input.
    test_path : str
        A file with the same columns whose rows are the test split.
    decimal : {"point", "comma"}, optional
        What stands before the decimals of a number in a text file; None: a point.
    encoding : str, optional
        The encoding of a text file; None: UTF-8.

    Raises
    ------
    UsageError
        For a file or a column that does not exist, and for content that is not a table.
    """
    file = read.found("data.path", path, root, "csv")
    test = None if test_path is None else read.found("data.test_path", test_path, root, "csv")
    frame, tested = _frames(file, test, read.Writing(decimal, encoding))
    made = of_frame(
        frame,
        data_name({"name": "csv", PATH: str(file)}),
        tested,
        target=target,
        task=task,
        scale=scale,
        categorical=categorical,
        numeric=numeric,
        drop=drop,
        ids=ids,
        group=group,
        time=time,
        weight=weight,
    )
    if test is not None and (made.test is None or len(made.test) == len(made.y)):
        raise UsageError(f"{test if made.test is None else file} has no row with a value in the target '{target}'")
    return replace(made, source=str(file), files=(file,) if test is None else (file, test))


def of_frame(
    frame: pd.DataFrame,
    name: str,
    tested: NDArray[np.bool_],
    *,
    target: str | None,
    task: Asked = "auto",
    scale: Scale = "standard",
    categorical: Sequence[str] = (),
    numeric: Sequence[str] = (),
    drop: Sequence[str] = (),
    ids: Sequence[str] | None = None,
    group: str | None = None,
    time: str | None = None,
    weight: str | None = None,
) -> Table:
    """Does the same for a frame in memory; its rows `tested`, [n], are the test split. Raises the same errors as `table`."""
    if target is None:
        raise UsageError(
            f"data.target is not set: it names the column to predict; the columns of '{name}' are "
            f"{listed(list(frame.columns))}"
        )
    _check_roles(
        list(frame.columns),
        {"target": [target], "group": _one(group), "time": _one(time), "weight": _one(weight), "drop": drop}
        | {"categorical": categorical, "numeric": numeric, "ids": ids or ()},
    )
    if group is not None and time is not None:
        raise UsageError(
            f"data.group={group} data.time={time}: rows are split by groups or by time, not by both; leave out "
            f"data.time={time}, or write data.drop=[{group}] in place of data.group={group}"
        )
    notes: list[str] = []
    told_of = ~frame[target].isna().to_numpy()
    if not told_of.all():
        notes.append(f"{count(int((~told_of).sum()), 'row')} without a value in the target '{target}' left out")
        frame, tested = frame[told_of].reset_index(drop=True), tested[told_of]
    if not len(frame):
        raise UsageError(f"data.target={target}: the column has no value in any row")
    told = target_of(frame[target], task)
    apart = {target, group, weight, *drop} - {None}
    found = columns_of(
        frame[[c for c in frame.columns if c not in apart]],
        categorical=categorical,
        numeric=numeric,
        ids=ids,
    )
    columns = Columns(tuple(c for c in found if c.used), scale)
    if not columns.columns:
        sentences = next((c.name for c in found if _has_sentences(frame[c.name])), None)
        hint = "" if sentences is None else f"; data=hf reads the sentences in {sentences}, also from a CSV"
        raise UsageError(f"{name} has no column to learn from except the target '{target}': {unused(found)}{hint}")
    _check_memory(name, len(frame), columns, ram())
    raw = columns.raw(frame)
    notes += [*told.notes, *notes_on(found, raw, told, tested)]
    return Table(
        name=name,
        x=columns.unscaled(raw),
        y=told.y,
        axes="F",
        n_classes=len(told.classes) or 1,
        test=torch.from_numpy(np.flatnonzero(tested)) if tested.any() else None,
        columns=columns.inputs,
        task=told.task,
        classes=told.classes,
        prepared=Prepared(columns, raw),
        groups=None if group is None else _groups(frame[group]),
        times=None if time is None else _times(frame[time]),
        weights=None if weight is None else _weights(frame[weight]),
        notes=tuple(notes),
        remedies=()
        if tested.any()
        else tuple(remedies_for(found, frame, grouped=group is not None, timed=time is not None)),
    )


def described(root: Path, options: Mapping[str, Any]) -> tuple[Column, ...]:
    """Returns all columns of a file for `dropbench list columns`; the target is optional. Raises the same errors as `table`.

    A column that is no input may hold anything; if it could not be one, its kind is `other`.
    """
    writing = read.Writing(options.get("decimal"), options.get("encoding"))
    frame, _ = _frames(read.found("data.path", options.get("path"), root, "csv"), None, writing)
    kinds = {key: tuple(options.get(key) or ()) for key in ("categorical", "numeric")}
    ids = options.get("ids")
    apart = {role: _one(options.get(role)) for role in ("target", "group", "weight")} | {
        "drop": options.get("drop") or ()
    }
    _check_roles(list(frame.columns), apart | {"time": _one(options.get("time"))} | kinds | {"ids": ids or ()})
    no_inputs = {name for role, names in apart.items() if role != "target" for name in names}
    inputs = [name for name in frame.columns if name not in no_inputs]
    found = {c.name: c for c in columns_of(frame[inputs], **kinds, ids=None if ids is None else tuple(ids))}
    return tuple(found.get(name) or _beside(frame[[name]]) for name in frame.columns)


def _beside(frame: pd.DataFrame) -> Column:
    """Returns the only column of a frame, which is no input."""
    try:
        return columns_of(frame, categorical=(), numeric=(), ids=())[0]
    except UsageError:
        return Column(frame.columns[0], "other", int(frame.iloc[:, 0].isna().sum()))


def _frames(file: Path, test: Path | None, writing: read.Writing) -> tuple[pd.DataFrame, NDArray[np.bool_]]:
    """Returns the rows of both files, one after the other, and which are from the second."""
    import pandas as pd

    frame = _read(file, writing)
    if test is None:
        return frame, np.zeros(len(frame), dtype=bool)
    if test.samefile(file):
        raise UsageError(f"data.test_path={test} is the same file as data.path, so all test rows would be trained on")
    other = _read(test, writing)
    if missing := [c for c in frame.columns if c not in other.columns]:
        known = list(other.columns)
        raise UsageError(
            f"{test} has no column '{missing[0]}'; {like(missing[0], known)}its columns are {listed(known)}"
        )
    both = pd.concat([frame, other[list(frame.columns)]], ignore_index=True)
    return both, np.arange(len(both)) >= len(frame)


def _read(file: Path, writing: read.Writing) -> pd.DataFrame:
    if file.suffix not in (".parquet", ".pq"):
        return read.csv(file, ram(), writing)
    if writing != read.Writing():
        raise UsageError(
            f"{file}: data.decimal and data.encoding say how a text is written; leave them out for Parquet"
        )
    return read.parquet(file, ram())


def _check_memory(name: str, rows: int, columns: Columns, memory: int | None) -> None:
    """Raises UsageError if the inputs of one seed would not fit in the machine's memory, if that is known.

    A category with many values needs much memory, even in a small file.
    """
    needed = rows * len(columns.inputs) * _BYTES_AN_INPUT
    if memory is None or needed <= _SHARE * memory:
        return
    widest = max((c for c in columns.columns), key=lambda c: len(c.levels))
    hint = "give fewer rows or columns"
    if len(widest.levels) > LEVELS:
        hint = f"the category '{widest.name}' alone has {len(widest.levels):,}; leave it out: data.drop=[{widest.name}]"
    raise UsageError(
        f"'{name}' would have {len(columns.inputs):,} inputs in each of {rows:,} rows, which takes about "
        f"{needed / 2**30:,.0f} GiB of memory, and this machine has {memory / 2**30:,.0f}: {hint}"
    )


def _one(name: str | None) -> tuple[str, ...]:
    return () if name is None else (name,)


def _check_roles(known: Sequence[str], roles: Mapping[str, Sequence[str]]) -> None:
    """Raises UsageError for a column that does not exist, and for one with two roles that exclude each other."""
    taken: dict[str, str] = {}
    for role, names in roles.items():
        check_names(f"data.{role}", names, known)
        for name in names:
            before = taken.setdefault(name, role)
            if before != role and role not in _BESIDE.get(before, ()):
                raise UsageError(
                    f"data.{role}: the column '{name}' is already used by data.{before}; name it only once"
                )


def _has_sentences(cells: pd.Series) -> bool:
    """Returns whether the cells have three words or more on average."""
    words = [len(str(cell).split()) for cell in cells.dropna().head(_LOOKED_AT).tolist()]
    return bool(words) and sum(words) >= 3 * len(words)


def _without(rows: int) -> str:
    return f"{count(rows, 'row')} {'has' if rows == 1 else 'have'} no value there; remove such rows, or give them one"


def _groups(cells: pd.Series) -> Tensor:
    if cells.isna().any():
        raise UsageError(f"data.group={cells.name}: {_without(int(cells.isna().sum()))}")
    _, places = np.unique(np.array(texts(cells)), return_inverse=True)
    return torch.from_numpy(places.astype(np.int64))


def _times(cells: pd.Series) -> Tensor:
    present = cells.dropna()
    if len(present) < len(cells):
        raise UsageError(f"data.time={cells.name}: {_without(len(cells) - len(present))}")
    if (values := numbers(present)) is None and (values := dates(present)) is None:
        raise UsageError(
            f"data.time={cells.name}: {present.iloc[0]!r} is neither a number nor a date; write dates like 2024-03-01"
        )
    return torch.from_numpy(values)


def _weights(cells: pd.Series) -> Tensor:
    if numbers(cells.dropna()) is None:
        raise UsageError(f"data.weight={cells.name}: the column contains values that are not numbers")
    values = as_numbers(cells, "number")
    if np.isnan(values).any() or (values < 0).any() or not (values > 0).any():
        raise UsageError(f"data.weight={cells.name}: every row needs a weight of 0 or more, and some need more than 0")
    return torch.from_numpy((values / values.mean()).astype(np.float32))

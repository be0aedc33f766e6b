"""`data=csv` and `data=parquet`: a user's own table, with nothing but a path and a target to be said."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
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
    like,
    numbers,
    some,
    texts,
)
from dropbench.data.tabular.prepare import Columns, Prepared, Scale
from dropbench.data.tabular.target import Asked, Target, target_of
from dropbench.errors import UsageError
from dropbench.hardware.ram import ram
from dropbench.identity import PATH, data_name
from dropbench.values import count

if TYPE_CHECKING:
    import pandas as pd
    from numpy.typing import NDArray


def _name(value: object) -> object:
    """A heading, which may look like a number or a truth."""
    return str(value).lower() if isinstance(value, bool) else str(value) if isinstance(value, int | float) else value


Name = Annotated[str, BeforeValidator(_name)]
"""Name of a column."""
Names = Annotated[
    tuple[Name, ...],
    BeforeValidator(lambda value: value if value is None or isinstance(value, list | tuple) else (value,)),
]
"""Names of columns; one may stand by itself."""
_BESIDE = {"group": {"drop"}, "weight": {"drop"}, "time": {"drop", "categorical", "numeric", "ids"}}
"""What a column may be beside its first role."""
_TOLD = 5
"""How many columns a note names."""
_FEW_TWICE = 0.01
"""Share of rows with the inputs of another that is no news."""
_LEVELS = 100
"""One-hot inputs of one category from which a note tells of it."""

_BYTES_AN_INPUT = 24
"""Of one row, while the inputs of a seed are made: as float32 unscaled and scaled, and twice as float64 by scikit-learn."""
_SHARE = 0.7
"""Of the memory of the machine."""


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
) -> Table:
    """A CSV file whose first line names the columns, or a Parquet file (`.parquet`, `.pq`).

    Parameters
    ----------
    root : Path
        The folder below which `path` is looked for where it is not found as it was typed.
    download : bool
        Not used.
    path : str
        The file.
    target : str
        The column to predict. Rows without a value there are left out.
    task : {"auto", "classify", "regress"}
        Whether the target is a class or a number; auto: see `target.target_of`.
    scale : {"standard", "quantile", "squash"}
        Of numbers: see `prepare.Columns`.
    categorical, numeric : list of str
        Columns whose kind is not what it looks like: see `columns.Column`.
    drop : list of str
        Columns that are not used.
    ids : list of str, optional
        Columns that name rows, which are not used; None: those that look so.
    group : str
        A column; rows with the same value stay in one part of a split. It is no input.
    time : str
        A column of numbers or dates; test rows are the latest, training rows the earliest. It stays an input, unless it is
        dropped.
    weight : str
        A column of numbers from 0 up: how much a row counts in the training loss. It is no input.
    test_path : str
        A file with the same columns whose rows are the test split.

    Raises
    ------
    UsageError
        For a file or a column that is not there, and whatever makes no table.
    """
    file = read.found("data.path", path, root, "csv")
    test = None if test_path is None else read.found("data.test_path", test_path, root, "csv")
    frame, tested = _frames(file, test)
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
        raise UsageError(f"{test if made.test is None else file} has no row with a value of the target '{target}'")
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
    """The same of a frame in memory, called `name`, whose rows `tested`, [n], are the test split. Raises as `table` does."""
    if target is None:
        raise UsageError(
            f"data.target is not set: it names the column to predict; the columns of '{name}' are "
            f"{some(list(frame.columns))}"
        )
    _check_roles(
        list(frame.columns),
        {"target": [target], "group": _one(group), "time": _one(time), "weight": _one(weight), "drop": drop}
        | {"categorical": categorical, "numeric": numeric, "ids": ids or ()},
    )
    notes: list[str] = []
    told_of = ~frame[target].isna().to_numpy()
    if not told_of.all():
        notes.append(f"{count(int((~told_of).sum()), 'row')} without a value of the target '{target}' left out")
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
        raise UsageError(f"{name} has no column to learn from beside the target '{target}': {_unused(found)}")
    _check_memory(name, len(frame), columns, ram())
    raw = columns.raw(frame)
    notes += [*([told.note] if told.note else []), *_notes(found, raw, told), *_unlearnt(told, tested)]
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
    )


def described(root: Path, options: Mapping[str, Any]) -> tuple[Column, ...]:
    """Every column of a file, used or not, for `dropbench list columns`; the target may be left out. Raises as `table`."""
    frame, _ = _frames(read.found("data.path", options.get("path"), root, "csv"), None)
    kinds = {key: tuple(options.get(key) or ()) for key in ("categorical", "numeric")}
    ids = options.get("ids")
    return columns_of(frame, **kinds, ids=None if ids is None else tuple(ids))


def _frames(file: Path, test: Path | None) -> tuple[pd.DataFrame, NDArray[np.bool_]]:
    """The rows of both files, one after the other, and which are of the second."""
    import pandas as pd

    frame = _read(file)
    if test is None:
        return frame, np.zeros(len(frame), dtype=bool)
    if test.samefile(file):
        raise UsageError(f"data.test_path={test} is the file of data.path too, so all test rows would be trained on")
    other = _read(test)
    if missing := [c for c in frame.columns if c not in other.columns]:
        known = list(other.columns)
        raise UsageError(f"{test} has no column '{missing[0]}'; {like(missing[0], known)}its columns are {some(known)}")
    both = pd.concat([frame, other[list(frame.columns)]], ignore_index=True)
    return both, np.arange(len(both)) >= len(frame)


def _read(file: Path) -> pd.DataFrame:
    return (read.parquet if file.suffix in (".parquet", ".pq") else read.csv)(file, ram())


def _check_memory(name: str, rows: int, columns: Columns, memory: int | None) -> None:
    """Raises UsageError where the inputs of one seed would not fit in the memory of the machine, if that is known.

    A category of many values makes much of a small file.
    """
    needed = rows * len(columns.inputs) * _BYTES_AN_INPUT
    if memory is None or needed <= _SHARE * memory:
        return
    widest = max((c for c in columns.columns), key=lambda c: len(c.levels))
    hint = "give fewer rows or columns"
    if len(widest.levels) > _LEVELS:
        hint = f"the category '{widest.name}' alone has {len(widest.levels):,}; leave it out: data.drop=[{widest.name}]"
    raise UsageError(
        f"'{name}' would have {len(columns.inputs):,} inputs in each of {rows:,} rows, which takes about "
        f"{needed / 2**30:,.0f} GiB of memory, and this machine has {memory / 2**30:,.0f}: {hint}"
    )


def _one(name: str | None) -> tuple[str, ...]:
    return () if name is None else (name,)


def _check_roles(known: Sequence[str], roles: Mapping[str, Sequence[str]]) -> None:
    """Raises UsageError for a column that is not there, and for one that is told to be two things that exclude each other."""
    taken: dict[str, str] = {}
    for role, names in roles.items():
        check_names(f"data.{role}", names, known)
        for name in names:
            before = taken.setdefault(name, role)
            if before != role and role not in _BESIDE.get(before, ()):
                raise UsageError(f"data.{role}: the column '{name}' is data.{before} already; name it in one of them")


def _groups(cells: pd.Series) -> Tensor:
    if cells.isna().any():
        raise UsageError(f"data.group={cells.name}: {count(int(cells.isna().sum()), 'row')} have no value there")
    _, places = np.unique(np.array(texts(cells)), return_inverse=True)
    return torch.from_numpy(places.astype(np.int64))


def _times(cells: pd.Series) -> Tensor:
    present = cells.dropna()
    if len(present) < len(cells):
        raise UsageError(f"data.time={cells.name}: {count(len(cells) - len(present), 'row')} have no value there")
    if (values := numbers(present)) is None and (values := dates(present)) is None:
        raise UsageError(
            f"data.time={cells.name}: {present.iloc[0]!r} is neither a number nor a date; write dates like 2024-03-01"
        )
    return torch.from_numpy(values)


def _weights(cells: pd.Series) -> Tensor:
    if numbers(cells.dropna()) is None:
        raise UsageError(f"data.weight={cells.name}: the column holds values that are no numbers")
    values = as_numbers(cells, "number")
    if np.isnan(values).any() or (values < 0).any() or not (values > 0).any():
        raise UsageError(f"data.weight={cells.name}: every row needs a weight of 0 or more, and some more than 0")
    return torch.from_numpy((values / values.mean()).astype(np.float32))


def _notes(found: Sequence[Column], raw: NDArray[np.float64], told: Target) -> Iterator[str]:
    """What a user should know of these columns."""
    if unused := _unused(found):
        yield f"columns that are not used: {unused}"
    for column in found:
        if len(column.levels) > _LEVELS:
            yield f"the category '{column.name}' has an input for each of its {len(column.levels)} values"
    yield from _doubtful([c for c in found if c.used and c.told])
    twice = len(raw) - len(np.unique(np.where(np.isnan(raw), np.inf, raw), axis=0))
    if twice > _FEW_TWICE * len(raw):
        yield f"{twice:,} of {len(raw):,} rows have the inputs of another row, so test rows may be among those trained on"
    if told.task == "classify":
        for i, column in enumerate(c for c in found if c.used):
            if _tells(raw[:, i], told.y.numpy()):
                yield f"the column '{column.name}' alone tells the target of every row: is it known when one predicts?"


def _doubtful(columns: Sequence[Column]) -> Iterator[str]:
    for c in columns[:_TOLD]:
        names = f"where they are names, data.categorical=[{c.name}] says so"
        yield f"the column '{c.name}' is read as a category: it {c.told}; {names}"
    if more := [c.name for c in columns[_TOLD:]]:
        yield f"read as categories too, and perhaps not meant so: {some(more)}; dropbench list columns says why"


def _tells(values: NDArray[np.float64], y: NDArray[np.int64]) -> bool:
    """Whether each value goes with one class alone, of values that stand often enough to say so."""
    different, place = np.unique(values, return_inverse=True)
    if len(different) * 4 > len(values):
        return False
    pairs = np.unique(np.stack([place, y]), axis=1)
    return bool(pairs.shape[1] == len(different))


def _unlearnt(told: Target, tested: NDArray[np.bool_]) -> Iterator[str]:
    """Classes of the user's test file that stand nowhere else."""
    if told.task == "classify" and tested.any():
        trained = set(told.y[torch.from_numpy(~tested)].tolist())
        for i in sorted(set(told.y.tolist()) - trained):
            rows = int((told.y == i).sum())
            yield f"{count(rows, 'test row')} of the class '{told.classes[i]}', which no other row has, cannot be told"


def _unused(found: Sequence[Column]) -> str:
    unused = [c for c in found if not c.used]
    more = f" and {len(unused) - _TOLD} more" if len(unused) > _TOLD else ""
    return ", ".join(f"{c.name} ({c.told})" for c in unused[:_TOLD]) + more

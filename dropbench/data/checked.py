"""Checks the table that a loader returned, and reports what is wrong and where."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import torch
from torch import Tensor

from dropbench.data.base import Table
from dropbench.errors import UsageError

_AXES = ("CHW", "F", "TF", "T", "W", "N")
_OF_NUMBERS = ("CHW", "F", "TF")
"""Axes of examples that are numbers; others are looked up."""


def checked(table: object, loader: str) -> Table:
    """Returns the same table after checking it.

    Parameters
    ----------
    table : object
        The object that a loader returned.
    loader : str
        Its import path, for messages.

    Raises
    ------
    UsageError
        If it is not a table; for numbers that are not finite, labels that are not a class, a class with a single example,
        and parts that are empty or do not fit together. A constant column is not an error.
    """
    if not isinstance(table, Table):
        raise UsageError(f"{loader} returned a {type(table).__name__}; it must return a dropbench.data.base.Table")
    for wrong in _faults(table):
        raise UsageError(f"data '{table.name}': {wrong}")
    return table


def _faults(table: Table) -> Iterator[str]:
    """Yields faults; each check assumes that the earlier ones found nothing."""
    yield from _types(table)
    yield from _shapes(table)
    yield from _examples(table)
    yield from _labels(table)
    yield from _parts(table)
    yield from _beside(table)
    if table.axes == "W":
        yield from _text(table)
    if table.graph is not None:
        yield from _graph(table)


def _types(table: Table) -> Iterator[str]:
    if table.axes not in _AXES:
        yield f"axes {table.axes!r} are not among {', '.join(_AXES)}"
    for name in ("x", "y", "test", "val", "train"):
        value = getattr(table, name)
        if not isinstance(value, Tensor) and not (value is None and name not in ("x", "y")):
            yield f"{name} is a {type(value).__name__}; it must be a torch.Tensor: torch.as_tensor converts an array"
    if table.task not in ("classify", "regress"):
        yield f"task is {table.task!r}; it must be 'classify' or 'regress'"
    for name in ("n_classes", "vocabulary", "window"):
        value = getattr(table, name)
        if value is not None and (type(value) is not int or value < 1):
            yield f"{name} is {value!r}; it must be a whole number from 1 up"
    if not all(isinstance(file, Path) for file in table.files):
        yield "files must hold a pathlib.Path for each file"
    dtype = torch.float32 if table.axes in _OF_NUMBERS else torch.int64
    if table.x.dtype != dtype:
        yield f"x is {_called(table.x)}; with axes {table.axes!r} it must be {str(dtype)[6:]}: x.to({dtype})"


def _shapes(table: Table) -> Iterator[str]:
    axes = table.axes if table.axes in _OF_NUMBERS else "T"
    if table.x.ndim != 1 + len(axes):
        yield f"x has the shape {_shape(table.x)}; axes {table.axes!r} and one row per example need {1 + len(axes)} axes"
    if table.y.ndim != 1:
        yield f"y has the shape {_shape(table.y)}; it must be one label per example"
    if len(table.x) != len(table.y):
        yield f"x has {len(table.x)} examples and y {len(table.y)} labels"
    if 0 in table.x.shape:
        yield f"x has the shape {_shape(table.x)}: it is empty"


def _examples(table: Table) -> Iterator[str]:
    x = table.x
    if table.axes in _OF_NUMBERS:
        # A sum is the fastest check of all numbers; if it is not finite, the numbers themselves are checked.
        if not bool(x.sum().isfinite()) and (at := _first(~x.isfinite())) is not None:
            hint = "; fill missing values before" if bool(x[at].isnan()) else ""
            hint += (
                ", or give a DataFrame or a CSV file, whose empty cells are filled"
                if hint and table.axes == "F"
                else ""
            )
            yield f"{_place(table, 'x', at)} is {float(x[at])}; every number must be finite{hint}"
        if len(x) > 1 and bool((x[0] == x[1]).all()) and bool((x == x[:1]).all()):
            yield "all examples are the same, so there is nothing to learn from them"
    elif table.axes in ("T", "W") and (at := _first((x < 0) | (x >= int(table.vocabulary or 0)))) is not None:
        yield f"{_place(table, 'x', at)} is {int(x[at])}; words have the numbers 0 to {int(table.vocabulary or 0) - 1}"
    elif table.axes == "N" and not torch.equal(x[:, 0], torch.arange(len(x))):
        yield "x of a graph must be the numbers of its nodes in order, torch.arange(n)[:, None]"


def _numbers(table: Table) -> Iterator[str]:
    """Yields the faults of numeric targets."""
    y = table.y
    if y.dtype != torch.float32:
        yield f"y is {_called(y)}; for the task 'regress' it must be float32: y.float()"
    if (at := _first(~y.isfinite())) is not None:
        yield f"{_place(table, 'y', at)} is {float(y[at])}; every number must be finite"
    if bool((y == y[0]).all()):
        yield "y is the same number for all examples, so there is nothing to predict"
    if table.n_classes != 1 or table.axes in ("W", "N"):
        yield "the task 'regress' needs n_classes=1, and cannot have running text or a graph"


def _labels(table: Table) -> Iterator[str]:
    y = table.y
    if table.task == "regress":
        yield from _numbers(table)
        return
    if y.is_floating_point():
        if (at := _first(~y.isfinite() | (y != y.floor()))) is not None:
            yield f"{_place(table, 'y', at)} is {float(y[at])}; a label must be a whole number"
        yield f"y is {_called(y)}; labels must be int64: y.long()"
    if y.dtype != torch.int64:
        yield f"y is {_called(y)}; labels must be int64: y.long()"
    if (at := _first((y < 0) | (y >= table.n_classes))) is not None:
        yield (
            f"{_place(table, 'y', at)} is {int(y[at])}; with n_classes={table.n_classes} labels are 0 to {table.n_classes - 1}"
        )
    if table.axes != "W":  # a word may occur only once
        lone = (y.bincount(minlength=table.n_classes) == 1).nonzero()
        if len(lone):
            label = int(lone[0])
            at = _first(y == label) or (0,)
            called = f"'{table.classes[label]}'" if table.classes else label
            yield (
                f"class {called} has a single example, {_place(table, 'y', at)}, which cannot be both trained on and tested; "
                "add another, or remove it"
            )


def _parts(table: Table) -> Iterator[str]:
    """Yields the faults of the official rows."""
    taken = torch.zeros(len(table.y), dtype=torch.bool)
    for name in ("test", "val", "train"):
        rows = getattr(table, name)
        if rows is None:
            continue
        if rows.dtype != torch.int64 or rows.ndim != 1:
            yield f"{name} is {_called(rows)} of the shape {_shape(rows)}; it must be row numbers, [n] int64"
        if len(rows) == 0:
            yield f"{name} is empty; leave it out to have one drawn"
        if (at := _first((rows < 0) | (rows >= len(table.y)))) is not None:
            yield f"{name}[{at[0]}] is {int(rows[at])}; rows are 0 to {len(table.y) - 1}"
        if len(rows.unique()) != len(rows):
            yield f"{name} names row {int(rows.sort().values[:-1][rows.sort().values.diff() == 0][0])} twice"
        if (at := _first(taken[rows])) is not None:
            yield f"row {int(rows[at])} is in {name} and in another part too"
        taken[rows] = True
    if table.train is None and bool(taken.all()):
        yield "test and val contain all rows, so none are left for training"


def _beside(table: Table) -> Iterator[str]:
    """Yields the faults of groups, times and weights."""
    for name, dtype in (("groups", torch.int64), ("times", torch.float64), ("weights", torch.float32)):
        beside = getattr(table, name)
        if beside is None:
            continue
        if beside.shape != table.y.shape or beside.dtype != dtype:
            yield (
                f"{name} are {_called(beside)} of the shape {_shape(beside)}; they must be {str(dtype)[6:]}, one per example"
            )
        if name == "weights" and not bool((beside.isfinite() & (beside >= 0)).all() and beside.sum() > 0):
            yield "weights must be finite and not negative, and some of them more than 0"


def _text(table: Table) -> Iterator[str]:
    words, val, test = table.x[:, 0], table.val, table.test
    if table.x.shape[1] != 1:
        yield f"x has the shape {_shape(table.x)}; in running text an example is one word, [n, 1]"
    if table.n_classes != table.vocabulary:
        yield f"n_classes is {table.n_classes} and vocabulary {table.vocabulary}; both count the words, so they must be equal"
    if (at := _first(table.y[:-1] != words[1:])) is not None:
        yield f"y[{at[0]}] is {int(table.y[at])}, but the word after word {at[0]} is {int(words[at[0] + 1])}"
    assert val is not None and test is not None  # Table says so.
    for name, rows in (("val", val), ("test", test)):
        if not torch.equal(rows, torch.arange(int(rows[0]), int(rows[0]) + len(rows))):
            yield f"{name} of running text must be a range of rows without gaps, in order"
    if int(val[0]) == 0 or int(test[0]) == 0:
        yield "training text must come first in x, before validation and test"


def _graph(table: Table) -> Iterator[str]:
    assert table.graph is not None
    features, edges = table.graph.features, table.graph.edges
    if features.ndim != 2 or len(features) != len(table.x) or features.dtype != torch.float32:
        yield f"graph.features are {_called(features)} of the shape {_shape(features)}; they must be float32, one row per node"
    if not bool(features.sum().isfinite()) and (at := _first(~features.isfinite())) is not None:
        yield f"graph.features[{at[0]}, {at[1]}] is {float(features[at])}; every number must be finite"
    if edges.dtype != torch.int64 or edges.ndim != 2 or len(edges) != 2:
        yield f"graph.edges are {_called(edges)} of the shape {_shape(edges)}; they must be int64 node numbers, [2, edges]"
    if (at := _first((edges < 0) | (edges >= len(features)))) is not None:
        yield f"graph.edges contain the node {int(edges[at])}; nodes are 0 to {len(features) - 1}"


def _first(wrong: Tensor) -> tuple[int, ...] | None:
    """Returns the index of the first true element, or None."""
    if not bool(wrong.any()):
        return None
    at = int(wrong.flatten().to(torch.uint8).argmax())
    return tuple(int(i) for i in torch.unravel_index(torch.tensor(at), wrong.shape))


def _place(table: Table, tensor: str, at: tuple[int, ...]) -> str:
    """Describes the place of a number in the tensor and, if known, in the file."""
    place = f"{tensor}[{', '.join(map(str, at))}]"
    told = []
    if table.first_line is not None and len(table.files) == 1:
        told.append(f"{table.files[0]}, line {table.first_line + at[0]}")
    else:
        told.append(f"row {at[0]}")
    if tensor == "x" and len(at) == 2 and table.axes == "F":
        told.append(f"column '{table.columns[at[1]]}'" if len(table.columns) > at[1] else f"column {at[1]}")
    counted = "" if table.first_line is not None and len(table.columns) else ", counted from 0"
    return f"{place} ({', '.join(told)}{counted})"


def _called(x: Tensor) -> str:
    return str(x.dtype).removeprefix("torch.")


def _shape(x: Tensor) -> str:
    return f"[{', '.join(map(str, x.shape))}]"

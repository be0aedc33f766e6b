"""What is wrong with a table is told when it is loaded, with its place, whoever's loader it is from."""

from __future__ import annotations

import dataclasses
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from graphs import graph, graph_table
from hypothesis import given
from hypothesis import strategies as st
from texts import running_text, sentences

from dropbench.data.base import Graph, Table
from dropbench.data.checked import checked
from dropbench.errors import UsageError
from dropbench.planning.sources import load
from dropbench.settings import Settings
from dropbench.spec import DataSpec

N = 12
X = torch.arange(N * 3, dtype=torch.float32).view(N, 3)
Y = torch.arange(N) % 2
TABLE = Table("mine", X, Y, "F", 2)
IMAGES = Table("mine", torch.rand(N, 2, 4, 5, generator=torch.Generator().manual_seed(0)), Y, "CHW", 2)
TEXT, WORDS, GRAPH = running_text(), sentences(), graph_table()


def put(tensor: torch.Tensor, at: tuple[int, ...], value: float) -> torch.Tensor:
    changed = tensor.clone()
    changed[at] = value
    return changed


def told(table: Table, **changes: Any) -> str:
    with pytest.raises(UsageError) as raised:
        checked(dataclasses.replace(table, **changes), "my_data.load")
    assert str(raised.value).startswith(f"data '{table.name}': ")
    return str(raised.value).partition(": ")[2]


@pytest.mark.parametrize("table", [TABLE, IMAGES, TEXT, WORDS, GRAPH])
def test_what_is_right_passes(table: Table) -> None:
    assert checked(table, "my_data.load") is table


def test_a_column_that_never_changes_is_no_error() -> None:
    x = X.clone()
    x[:, 1] = 5
    checked(dataclasses.replace(TABLE, x=x), "my_data.load")


@given(row=st.integers(0, N - 1), column=st.integers(0, 2), value=st.sampled_from([math.nan, math.inf, -math.inf]))
def test_a_number_that_is_not_finite(row: int, column: int, value: float) -> None:
    at = (row, column)
    hint = "; fill missing values before, or give a DataFrame or a CSV file, whose empty cells are filled"
    assert told(TABLE, x=put(X, at, value)) == (
        f"x[{row}, {column}] (row {row}, column {column}, counted from 0) is {value}; every number must be finite"
        f"{hint if math.isnan(value) else ''}"
    )


def test_the_first_of_several() -> None:
    x = put(put(X, (7, 2), math.nan), (3, 1), math.inf)
    assert told(TABLE, x=x).startswith("x[3, 1] (row 3, column 1, ")


def test_a_sum_that_overflows_is_no_fault() -> None:
    checked(dataclasses.replace(TABLE, x=X * 8e36), "my_data.load")


def test_of_images() -> None:
    assert told(IMAGES, x=put(IMAGES.x, (5, 1, 3, 2), math.nan)).startswith(
        "x[5, 1, 3, 2] (row 5, counted from 0) is nan"
    )


def test_of_a_file() -> None:
    """A loader that says where its rows stand gets the line of its file."""
    at_home = {"files": (Path("my.csv"),), "columns": ("a", "b", "c"), "first_line": 2}
    assert told(TABLE, x=put(X, (3, 1), math.nan), **at_home).startswith("x[3, 1] (my.csv, line 5, column 'b') is nan")
    assert told(TABLE, y=put(Y, (3,), 9), **at_home).startswith("y[3] (my.csv, line 5) is 9; with n_classes=2")


@pytest.mark.parametrize(
    ("y", "expected"),
    [
        (put(Y, (4,), -1), "y[4] (row 4, counted from 0) is -1; with n_classes=2 labels are 0 to 1"),
        (put(Y, (4,), 2), "y[4] (row 4, counted from 0) is 2; with n_classes=2 labels are 0 to 1"),
        (put(Y.double(), (4,), 0.5), "y[4] (row 4, counted from 0) is 0.5; a label must be a whole number"),
        (put(Y.float(), (4,), math.nan), "y[4] (row 4, counted from 0) is nan; a label must be a whole number"),
        (Y.float(), "y is float32; labels must be int64: y.long()"),
        (Y.int(), "y is int32; labels must be int64: y.long()"),
        (Y.bool(), "y is bool; labels must be int64: y.long()"),
        (Y[:-1], "x has 12 examples and y 11 labels"),
        (Y[:, None], "y has the shape [12, 1]; it must be one label per example"),
        (put(Y * 0, (4,), 1), "class 1 has a single example, y[4] (row 4, counted from 0), which cannot be both"),
        (Y.numpy(), "y is a ndarray; it must be a torch.Tensor"),
    ],
)
def test_labels(y: Any, expected: str) -> None:
    assert told(TABLE, y=y).startswith(expected)


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"x": X.double()}, "x is float64; with axes 'F' it must be float32: x.to(torch.float32)"),
        ({"x": X.byte()}, "x is uint8; with axes 'F' it must be float32"),
        ({"x": X.numpy()}, "x is a ndarray; it must be a torch.Tensor"),
        ({"x": X[:0], "y": Y[:0]}, "x has the shape [0, 3]: it is empty"),
        ({"x": X[:, :0]}, "x has the shape [12, 0]: it is empty"),
        ({"x": X[:, 0]}, "x has the shape [12]; axes 'F' and one row per example need 2 axes"),
        ({"x": X * 0}, "all examples are the same"),
        ({"axes": "HWC"}, "axes 'HWC' are not among CHW, F, TF, T, W, N"),
        ({"n_classes": 2.0}, "n_classes is 2.0; it must be a whole number from 1 up"),
        ({"n_classes": 0}, "n_classes is 0; it must be"),
        ({"files": ("my.csv",)}, "files must hold a pathlib.Path for each file"),
        ({"test": torch.tensor([], dtype=torch.int64)}, "test is empty; leave it out to have one drawn"),
        ({"test": torch.tensor([3, 12])}, "test[1] is 12; rows are 0 to 11"),
        ({"test": torch.tensor([3, -1])}, "test[1] is -1; rows are 0 to 11"),
        ({"test": torch.tensor([3, 5, 3])}, "test names row 3 twice"),
        ({"test": torch.tensor([True, False])}, "test is bool of the shape [2]; it must be row numbers"),
        ({"test": torch.tensor([3, 5]), "val": torch.tensor([4, 5])}, "row 5 is in val and in another part too"),
        ({"test": torch.arange(N)}, "test and val contain all rows, so none are left for training"),
        (
            {"test": torch.tensor([3]), "val": torch.tensor([4]), "train": torch.tensor([5, 4])},
            "row 4 is in train and in another part too",
        ),
    ],
)
def test_form(changes: dict[str, Any], expected: str) -> None:
    assert told(TABLE, **changes).startswith(expected)


def test_words() -> None:
    assert WORDS.vocabulary is not None
    at = told(WORDS, x=put(WORDS.x, (2, 1), WORDS.vocabulary))
    assert at.startswith(f"x[2, 1] (row 2, counted from 0) is {WORDS.vocabulary}; words have the numbers 0 to ")
    assert told(WORDS, x=WORDS.x.float()).startswith("x is float32; with axes 'T' it must be int64")


def test_running_text() -> None:
    assert told(TEXT, y=put(TEXT.y, (7,), (int(TEXT.y[7]) + 1) % TEXT.n_classes)).startswith("y[7] is ")
    assert TEXT.val is not None
    assert "range of rows without gaps" in told(TEXT, val=TEXT.val.flip(0))
    assert "must come first" in told(TEXT, val=torch.arange(3))


@pytest.mark.parametrize(
    ("changed", "expected"),
    [
        (
            {"features": put(graph().features, (3, 2), math.nan)},
            "graph.features[3, 2] is nan; every number must be finite",
        ),
        ({"features": graph().features[:-1]}, "graph.features are float32 of the shape [60, 37]; they must be"),
        ({"edges": torch.tensor([[0, 1], [2, 61]])}, "graph.edges contain the node 61; nodes are 0 to 60"),
        ({"edges": torch.tensor([[0, 1], [2, -1]])}, "graph.edges contain the node -1; nodes are 0 to 60"),
        (
            {"edges": torch.zeros(3, 4, dtype=torch.int64)},
            "graph.edges are int64 of the shape [3, 4]; they must be int64",
        ),
        ({"edges": torch.rand(2, 4)}, "graph.edges are float32 of the shape [2, 4]; they must be int64"),
    ],
)
def test_graphs(changed: dict[str, Any], expected: str) -> None:
    assert GRAPH.graph is not None
    parts = {"features": GRAPH.graph.features, "edges": GRAPH.graph.edges} | changed
    assert told(GRAPH, graph=Graph(**parts)).startswith(expected)
    assert "numbers of its nodes" in told(GRAPH, x=GRAPH.x.flip(0))


@pytest.mark.parametrize("given", [None, {"x": X}, (X, Y), np.zeros(3)])
def test_what_is_no_table(given: Any) -> None:
    with pytest.raises(
        UsageError, match=r"my_data\.load returned a \w+; it must return a dropbench\.data\.base\.Table"
    ):
        checked(given, "my_data.load")


def broken(root: Path, download: bool) -> Table:
    """A user's loader."""
    return dataclasses.replace(TABLE, x=put(X, (3, 1), math.nan))


def test_it_is_looked_at_when_it_is_loaded() -> None:
    spec = DataSpec(name="broken", _target_=f"{__name__}.broken")
    settings = Settings(device="cpu", results=".", execute={"workers": 1, "threads": 1, "cohort": "auto"})
    with pytest.raises(UsageError, match=r"x\[3, 1\] \(row 3, column 1, counted from 0\) is nan"):
        load(spec, settings)

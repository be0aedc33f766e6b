"""Arrays of a user's own: every shape an example may have, parts given in any way, and one sentence for what does not fit."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from dropbench.data.base import Table
from dropbench.data.checked import checked
from dropbench.data.npz import load
from dropbench.errors import UsageError

N = 24
DRAW = np.random.default_rng(0)
X, Y = DRAW.normal(size=(N, 5)), np.arange(N) % 3


def loaded(folder: Path, arrays: dict[str, Any] | None = None, **options: Any) -> Table:
    np.savez(folder / "my.npz", **({"x": X, "y": Y} if arrays is None else arrays))
    return checked(load(folder, False, path="my.npz", **options), "npz")


@pytest.mark.parametrize(
    ("shape", "kind", "asked", "axes", "made"),
    [
        ((5,), float, "auto", "F", (5,)),
        ((6, 2), float, "auto", "TF", (6, 2)),
        ((6, 7), np.uint8, "auto", "CHW", (1, 6, 7)),
        ((6, 7), float, "HW", "CHW", (1, 6, 7)),
        ((3, 8, 9), float, "auto", "CHW", (3, 8, 9)),
        ((8, 9, 3), np.uint8, "auto", "CHW", (3, 8, 9)),
        ((3, 8, 3), float, "auto", "CHW", (3, 8, 3)),
        ((3, 8, 3), float, "HWC", "CHW", (3, 3, 8)),
        ((2, 8, 9), float, "auto", "CHW", (2, 8, 9)),
    ],
)
def test_shapes(
    shape: tuple[int, ...], kind: Any, asked: Any, axes: str, made: tuple[int, ...], tmp_path: Path
) -> None:
    x = (DRAW.random((N, *shape)) * 200).astype(kind)
    table = loaded(tmp_path, {"x": x, "y": Y}, axes=asked)
    assert (table.axes, table.shape, table.x.dtype, table.x.is_contiguous()) == (axes, made, torch.float32, True)
    told = table.x.numpy() * (255 if kind == np.uint8 else 1)
    channels_last = "HWC" in (asked, asked if asked != "auto" else {3: "HWC"}.get(len(shape))) and made != shape
    back = np.moveaxis(told, 1, -1) if channels_last and len(shape) == 3 else told
    assert back.reshape(x.shape) == pytest.approx(x.astype(float), rel=1e-6)


@pytest.mark.parametrize(
    ("y", "task", "classes"),
    [
        (Y, "classify", ("0", "1", "2")),
        (Y[:, None], "classify", ("0", "1", "2")),
        (Y.astype(str), "classify", ("0", "1", "2")),
        (np.array(["b", "a"])[Y % 2], "classify", ("a", "b")),
        (np.array([b"b", b"a"])[Y % 2], "classify", ("a", "b")),
        (Y == 1, "classify", ("False", "True")),
        (Y + 0.5, "regress", ()),
        (np.linspace(0, 1, N).astype(np.float32), "regress", ()),
    ],
)
def test_labels(y: Any, task: str, classes: tuple[str, ...], tmp_path: Path) -> None:
    table = loaded(tmp_path, {"x": X, "y": y})
    assert (table.task, table.classes, table.notes) == (task, classes, ())


def test_many_whole_numbers_are_classes_all_the_same(tmp_path: Path) -> None:
    """The kind of an array says it; of a column of a CSV it would be a guess."""
    y = np.arange(240) % 24
    assert loaded(tmp_path, {"x": DRAW.normal(size=(240, 2)), "y": y}).n_classes == 24
    assert loaded(tmp_path, {"x": DRAW.normal(size=(240, 2)), "y": y}, task="regress").task == "regress"


@pytest.mark.parametrize("own", [("x", "y"), ("x_train", "y_train")])
def test_parts_as_arrays(own: tuple[str, str], tmp_path: Path) -> None:
    parts = {own[0]: X[:12], own[1]: Y[:12], "x_val": X[12:18], "y_val": Y[12:18], "x_test": X[18:], "y_test": Y[18:]}
    table = loaded(tmp_path, parts)
    assert table.x.numpy() == pytest.approx(X.astype(np.float32)) and table.y.tolist() == Y.tolist()
    assert table.val is not None and table.val.tolist() == list(range(12, 18))
    assert table.test is not None and table.test.tolist() == list(range(18, 24))
    del parts["x_val"], parts["y_val"]
    assert loaded(tmp_path, parts).val is None


def test_parts_as_row_numbers(tmp_path: Path) -> None:
    def parts(**rows: Any) -> list[Any]:
        table = loaded(tmp_path, {"x": X, "y": Y, **rows})
        return [None if part is None else part.tolist() for part in (table.train, table.val, table.test)]

    assert parts(test=[3, 5]) == [None, None, [3, 5]]
    assert parts(test=np.arange(N) > 20) == [None, None, [21, 22, 23]]
    assert parts(train=np.arange(10), val=[10, 11], test=[12]) == [list(range(10)), [10, 11], [12]]
    assert parts(train=np.arange(20), test=[20, 21]) == [list(range(20)), [22, 23], [20, 21]]  # the others validate
    assert parts(train=np.arange(22), test=[22, 23]) == [None, None, [22, 23]]


def test_arrays_that_are_not_used_are_named(tmp_path: Path) -> None:
    assert loaded(tmp_path, {"x": X, "y": Y[:, None], "test": [3]}).notes == ()
    assert loaded(tmp_path, {"x_train": X, "y_train": Y, "groups": Y}).notes == ("arrays that are not used: groups",)


@pytest.mark.parametrize(
    ("arrays", "options", "message"),
    [
        ({"x": X}, {}, "has no array 'y'; it contains x"),
        ({"a": X}, {}, "has no array 'x'; it contains a"),
        ({"x": X, "y": Y, "x_test": X}, {}, "has no array 'y_test'"),
        ({"x": X, "y": Y[:5]}, {}, r"x has the shape \[24, 5\] and y \[5\]"),
        ({"x": X, "y": np.eye(3)[Y]}, {}, r"y \[24, 3\]; they must be \[n, ...\] and \[n\], .*: give y\.argmax\(1\)"),
        ({"x": X, "y": X}, {}, r"a label per example: several targets per row, .*: give one column, such as y\[:, 0\]"),
        (
            {"x": X, "y": Y, "x_test": X[:, :2], "y_test": Y},
            {},
            r"examples of x have the shape \[5\], but others have \[2\]",
        ),
        ({"x": X, "y": Y, "x_test": X, "y_test": Y, "test": [1]}, {}, "both row numbers 'test' and x_test"),
        ({"x": X, "y": Y, "test": [0.5]}, {}, "'test' must hold row numbers from 0, or true and false"),
        ({"x": X, "y": Y, "test": [99]}, {}, r"test\[0\] is 99; rows are 0 to 23"),
        ({"x": X, "y": Y, "test": [1, 1]}, {}, "names row 1 twice"),
        ({"x": X, "y": Y}, {"axes": "CHW"}, "data.axes=CHW: examples in .* with 1 axes"),
        ({"x": X.astype(str), "y": Y}, {}, "x contains <U.* but must contain numbers"),
        ({"x": np.ones((N, 1, 2, 2, 2)), "y": Y}, {}, "at most three axes"),
        ({"x": X, "y": Y.astype(object)}, {}, "contains Python objects; save arrays of numbers or texts"),
        ({"x": X, "y": np.where(Y == 1, np.nan, Y)}, {}, r"y\[1\] is not finite"),
        ({"x": np.where(X > 1, np.inf, X), "y": Y}, {}, "is inf; every number must be finite"),
        ({"x": X, "y": np.arange(N)}, {}, "24 different values in 24 rows are too many for classes"),
        ({"x": X, "y": np.array(["a", "b"])[Y % 2]}, {"task": "regress"}, "data.task=regress: .* is not a number"),
    ],
)
def test_what_does_not_fit_is_told(
    arrays: dict[str, Any], options: dict[str, Any], message: str, tmp_path: Path
) -> None:
    with pytest.raises(UsageError, match=message):
        loaded(tmp_path, arrays, **options)


@pytest.mark.parametrize("content", [b"", b"no archive", b"PK\x03\x04 cut short"])
def test_what_is_no_such_file_is_told(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "my.npz").write_bytes(content)
    with pytest.raises(UsageError, match=r"my.npz is not an .npz file: numpy.savez\("):
        load(tmp_path, False, path="my.npz")
    with pytest.raises(UsageError, match="it names your file, as in data=npz"):
        load(tmp_path, False)


def test_what_would_not_fit_in_memory_is_told_before_it_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("dropbench.data.npz.ram", lambda: 100)
    with pytest.raises(UsageError, match="in memory, and this machine has"):
        loaded(tmp_path)

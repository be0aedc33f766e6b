"""`data=npz`: a user's own arrays in a file of numpy.savez."""

from __future__ import annotations

import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from dropbench.data.base import Table
from dropbench.data.tabular.read import check_memory, found
from dropbench.data.tabular.target import Asked, one_column, one_each, target_of
from dropbench.errors import UsageError
from dropbench.hardware.ram import ram
from dropbench.identity import PATH, data_name

Arrays = Mapping[str, NDArray[Any]]
Axes = Literal["auto", "F", "TF", "HW", "CHW", "HWC"]
_PARTS = ("train", "val", "test")
_READ = (*_PARTS, *(name + end for name in "xy" for end in ("", "_val", "_test")))
_CHANNELS = (1, 3, 4)


def load(root: Path, download: bool, *, path: str | None = None, task: Asked = "auto", axes: Axes = "auto") -> Table:
    """Reads `x` [N, ...] and `y` [N], with splits as arrays `x_test` and `y_test` or as row numbers `train`, `val` and `test`.

    `x_train` and `y_train` may be used in place of `x` and `y`, and test arrays may be joined by `x_val` and `y_val`. Row
    numbers may also be masks of N booleans. Integers, texts and booleans in y are classes; other numbers are targets of
    regression.

    Parameters
    ----------
    root : Path
        The folder in which `path` is looked for if it does not exist as typed.
    download : bool
        Not used.
    path : str
        The file.
    task : {"auto", "classify", "regress"}
        Whether y holds classes or numbers.
    axes : {"auto", "F", "TF", "HW", "CHW", "HWC"}
        The axes of one example: F features; TF steps of features; HW rows and columns of a grey image; CHW or HWC an image
        with channels first or last. auto: F for one axis; TF for two, or HW if x holds bytes; for three, HWC if only the
        last has size 1, 3 or 4, else CHW. Bytes are divided by 255.

    Raises
    ------
    UsageError
        If the file does not exist or does not contain such arrays.
    """
    file = found("data.path", path, root, "npz")
    arrays = _arrays(file)
    x, y, parts = _whole(file, arrays)
    axes = _axes(file, x, axes)
    values = torch.from_numpy(np.ascontiguousarray(x, dtype=np.float32))
    if x.dtype == np.uint8:
        values.div_(255)
    if axes == "HWC":
        values = values.permute(0, 3, 1, 2).contiguous()
    unused = [name for name in arrays if name.removesuffix("_train") not in _READ]
    target = target_of(_cells(y), "classify" if task == "auto" and y.dtype.kind in "iubSU" else task)
    return Table(
        name=data_name({"name": "npz", PATH: str(file)}),
        x=values[:, None] if axes == "HW" else values,
        y=target.y,
        axes="CHW" if axes in ("HW", "HWC") else axes,
        n_classes=len(target.classes) or 1,
        source=str(file),
        files=(file,),
        task=target.task,
        classes=target.classes,
        notes=(
            *target.notes,
            *([f"arrays that are not used: {', '.join(unused)}"] if unused else []),
        ),
        train=parts.get("train"),
        val=parts.get("val"),
        test=parts.get("test"),
    )


def _arrays(file: Path) -> Arrays:
    try:
        with zipfile.ZipFile(file) as packed:
            check_memory(file, sum(m.file_size for m in packed.infolist()), ram())
        with np.load(file, allow_pickle=False) as held:
            return {name: held[name] for name in held.files}
    except UsageError:
        raise
    except ValueError as error:
        if "pickle" in str(error):
            raise UsageError(
                f"{file} contains Python objects; save arrays of numbers or texts: y.astype(str)"
            ) from error
        raise UsageError(f"{file} cannot be read: {' '.join(str(error).split())}") from error
    except (OSError, EOFError, KeyError, zipfile.BadZipFile) as error:
        raise UsageError(f"{file} is not an .npz file: numpy.savez('my.npz', x=x, y=y) writes one") from error


def _whole(file: Path, arrays: Arrays) -> tuple[NDArray[Any], NDArray[Any], dict[str, Tensor]]:
    """Returns all examples, all labels, and the row numbers of the given splits."""
    held = {name.removesuffix("_train"): array for name, array in arrays.items()}
    ends = ["", *(f"_{part}" for part in ("val", "test") if f"x_{part}" in held or f"y_{part}" in held)]
    if missing := [name + end for end in ends for name in ("x", "y") if name + end not in held]:
        raise UsageError(f"{file} has no array '{missing[0]}'; it contains {', '.join(arrays) or 'nothing'}")
    xs = [held[f"x{end}"] for end in ends]
    ys = [one_column(held[f"y{end}"]) for end in ends]
    for x, y in zip(xs, ys, strict=True):
        _check_shapes(file, x, y, xs[0])
    starts = np.cumsum([len(x) for x in xs])
    own = {
        end[1:]: torch.arange(int(start), int(start) + len(x))
        for end, start, x in zip(ends[1:], starts, xs[1:], strict=False)
    }
    rows = {name: _rows(file, name, held[name], int(starts[-1])) for name in _PARTS if name in held}
    if rows and own:
        raise UsageError(
            f"{file} has both row numbers '{next(iter(rows))}' and x_{next(iter(own))}; give only one of them"
        )
    return np.concatenate(xs), np.concatenate(ys), own or _with_val(rows, int(starts[-1]))


def _check_shapes(file: Path, x: NDArray[Any], y: NDArray[Any], first: NDArray[Any]) -> None:
    if y.ndim != 1 or x.ndim < 2 or len(x) != len(y):
        several = f": {one_each(y)}" if y.ndim == 2 and len(x) == len(y) else ""
        raise UsageError(
            f"{file}: x has the shape {list(x.shape)} and y {list(y.shape)}; they must be [n, ...] and [n], a label per "
            f"example{several}"
        )
    if x.shape[1:] != first.shape[1:]:
        raise UsageError(
            f"{file}: examples of x have the shape {list(first.shape[1:])}, but others have {list(x.shape[1:])}"
        )


def _with_val(rows: dict[str, Tensor], n: int) -> dict[str, Tensor]:
    """Completes given training and test rows: rows in neither are for validation; without any, some training rows are."""
    if rows.keys() != {"train", "test"}:
        return rows
    left = np.setdiff1d(np.arange(n), np.concatenate([rows["train"], rows["test"]]))
    return {**rows, "val": torch.from_numpy(left)} if len(left) else {"test": rows["test"]}


def _rows(file: Path, name: str, rows: NDArray[Any], n: int) -> Tensor:
    if rows.dtype.kind == "b" and rows.shape == (n,):
        return torch.from_numpy(np.flatnonzero(rows))
    if rows.dtype.kind not in "iu" or rows.ndim != 1:
        raise UsageError(f"{file}: '{name}' must hold row numbers from 0, or true and false for each of the {n} rows")
    return torch.from_numpy(rows.astype(np.int64))


def _axes(file: Path, x: NDArray[Any], asked: Axes) -> Axes:
    if x.dtype.kind not in "fiub":
        raise UsageError(f"{file}: x contains {x.dtype} but must contain numbers")
    of = x.ndim - 1
    if asked != "auto":
        if len(asked) != of:
            raise UsageError(
                f"data.axes={asked}: examples in {file} have the shape {list(x.shape[1:])}, with {of} axes"
            )
        return asked
    if of > 3:
        raise UsageError(f"{file}: examples have the shape {list(x.shape[1:])}, and at most three axes are possible")
    if of == 3:
        return "HWC" if x.shape[-1] in _CHANNELS and x.shape[1] not in _CHANNELS else "CHW"
    return "F" if of == 1 else "HW" if x.dtype == np.uint8 else "TF"


def _cells(y: NDArray[Any]) -> Any:
    import pandas as pd

    if y.dtype.kind == "S":
        y = np.char.decode(y, "utf-8")
    if y.dtype.kind == "f" and not np.isfinite(y).all():
        raise UsageError(f"y[{int((~np.isfinite(y)).argmax())}] is not finite; remove rows without a label")
    return pd.Series(y, name="y")

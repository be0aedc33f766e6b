"""Converts `(x, y)` to a Table."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from dropbench.errors import UsageError, nearest
from dropbench.values import count

if TYPE_CHECKING:
    from dropbench.data.base import Table
    from dropbench.data.tabular.target import Target

_AXES = {2: "F", 3: "TF", 4: "CHW"}
_PARTS = ("train", "val", "test")
_CHANNELS = 4


def table_of(x: Any, y: Any, parts: Mapping[str, Any] | None = None) -> Table:
    """Return a table made of NumPy arrays, tensors, or anything that NumPy converts to an array.

    Parameters
    ----------
    x : array
        [n, features], [n, steps, features] for sequences, or [n, channels, height, width] for images, of which bytes are scaled
        to 0..1.
    y : array
        [n]; whole numbers, texts and booleans are classes, floating-point numbers are the targets of a regression. A note
        says so where the values look like the other, such as 0.0 and 1.0.
    parts : mapping, optional
        The row numbers of `test`, and optionally of `val` and `train`; parts that are not given are drawn for each seed.

    Raises
    ------
    UsageError
        For arrays of another shape.
    """
    import numpy as np
    import torch

    from dropbench.data.base import Table

    inputs, targets = _array(x), _array(y)
    if inputs.ndim not in _AXES or inputs.dtype.kind not in "biuf":
        raise UsageError(
            f"x has the shape {list(inputs.shape)} and the type {inputs.dtype}: it must hold numbers and have the "
            "shape [n, features], [n, steps, features] or [n, channels, height, width]; for words or graphs give a "
            "dropbench.data.base.Table"
        )
    if inputs.ndim == 4 and inputs.shape[1] > _CHANNELS >= inputs.shape[3]:
        raise UsageError(
            f"x has the shape {list(inputs.shape)}: images must be [n, channels, height, width]; "
            "give x.transpose(0, 3, 1, 2)"
        )
    if targets.ndim != 1 or len(targets) != len(inputs):
        raise UsageError(
            f"y has the shape {list(targets.shape)} and x {list(inputs.shape)}: y must be one value per row of x"
        )
    if wrong := [name for name in parts or {} if name not in _PARTS]:
        raise UsageError(f"'{wrong[0]}' is not a part of the data; {nearest(str(wrong[0]), _PARTS)}")
    given = parts or {}
    train, val, test = (torch.from_numpy(_array(given[p]).astype(np.int64)) if p in given else None for p in _PARTS)
    scaled = inputs / 255 if inputs.dtype == np.uint8 and inputs.ndim == 4 else inputs
    numeric = torch.from_numpy(np.ascontiguousarray(scaled, dtype=np.float32))
    target = _target(targets)
    return Table(
        name="arrays",
        x=numeric,
        y=target.y,
        axes=_AXES[inputs.ndim],
        n_classes=len(target.classes) or 1,
        task=target.task,
        classes=target.classes,
        notes=() if target.note is None else (target.note,),
        train=train,
        val=val,
        test=test,
    )


def _target(y: Any) -> Target:
    """Return y [n] as classes or numbers, by its type, with a note where its values look like the other.

    Raises UsageError for many whole numbers of which one occurs once, because these are numbers to predict.
    """
    import numpy as np
    import torch

    from dropbench.data.tabular.target import FEW, Target

    if y.dtype.kind == "f":
        different = np.unique(y)
        classes = len(different) <= FEW and bool((different == np.floor(different)).all())
        told = f"y holds {count(len(different), 'different whole number')} as floating-point numbers, which are read as numbers"
        note = f"{told} to predict; for classes give y.astype(int)" if classes else None
        return Target("regress", torch.from_numpy(y.astype(np.float32)), (), note)
    names, places, rows = np.unique(y.astype(str) if y.dtype == object else y, return_inverse=True, return_counts=True)
    note = None
    if y.dtype.kind in "iu" and len(names) > FEW:
        told = f"y holds {len(names)} different whole numbers, which are read as classes"
        if (rows == 1).any():
            lone = f"and {names[rows == 1][0]} occurs once, so it cannot be both trained on and tested"
            raise UsageError(f"{told}, {lone}; for numbers to predict give y.astype(float)")
        note = f"{told}; for numbers to predict give y.astype(float)"
    return Target("classify", torch.from_numpy(places.astype(np.int64)), tuple(map(str, names)), note)


def _array(values: Any) -> Any:
    import numpy as np

    if hasattr(values, "detach"):  # a tensor, on any device
        values = values.detach().cpu()
    return np.asarray(values)

"""Converts `(x, y)` to a Table."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Literal

from dropbench.errors import UsageError, nearest

if TYPE_CHECKING:
    from dropbench.data.base import Table

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
        [n]; whole numbers, texts and booleans are classes, floating-point numbers are the targets of a regression.
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
    task: Literal["classify", "regress"]
    classes: tuple[str, ...]
    if targets.dtype.kind == "f":
        task, labels, classes = "regress", torch.from_numpy(targets.astype(np.float32)), ()
    else:
        names, places = np.unique(targets.astype(str) if targets.dtype == object else targets, return_inverse=True)
        task, labels, classes = "classify", torch.from_numpy(places.astype(np.int64)), tuple(map(str, names))
    return Table(
        name="arrays",
        x=numeric,
        y=labels,
        axes=_AXES[inputs.ndim],
        n_classes=len(classes) or 1,
        task=task,
        classes=classes,
        train=train,
        val=val,
        test=test,
    )


def _array(values: Any) -> Any:
    import numpy as np

    if hasattr(values, "detach"):  # a tensor, on any device
        values = values.detach().cpu()
    return np.asarray(values)

"""Converts `(x, y)`, or a data set of torch, to a Table."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from dropbench.errors import UsageError, nearest
from dropbench.values import count

if TYPE_CHECKING:
    from dropbench.data.base import Table
    from dropbench.data.tabular.target import Target

_AXES = {2: "F", 3: "TF", 4: "CHW"}
_PARTS = ("train", "val", "test")
_BESIDE = {"groups": "int64", "times": "float64", "weights": "float32"}
"""What may be given for each row, with its type in a Table."""
_CHANNELS = 4


def table_of(x: Any, y: Any, beside: Mapping[str, Any] | None = None) -> Table:
    """Return a table made of NumPy arrays, tensors, or anything that NumPy converts to an array.

    Parameters
    ----------
    x : array
        [n, features], [n, steps, features] for sequences, or [n, channels, height, width] for images, of which bytes are scaled
        to 0..1.
    y : array
        [n]; whole numbers, texts and booleans are classes, floating-point numbers are the targets of a regression. A note
        says so where the values look like the other, such as 0.0 and 1.0.
    beside : mapping, optional
        The row numbers of `test`, and optionally of `val` and `train`, or true and false for each row; parts that are not given
        are drawn for each seed. And for each row, [n]: `groups`, whose rows stay in one split; `times`, of which the latest are
        for test; `weights` in the training loss, 0 or more.

    Raises
    ------
    UsageError
        For arrays of another shape.
    """
    import numpy as np
    import torch

    from dropbench.data.base import Table
    from dropbench.data.tabular.target import one_column, one_each

    inputs, targets = _inputs(x), one_column(_array(y, "y"))
    if inputs.ndim == 4 and inputs.shape[1] > _CHANNELS >= inputs.shape[3]:
        raise UsageError(
            f"x has the shape {list(inputs.shape)}: images must be [n, channels, height, width]; "
            "give x.transpose(0, 3, 1, 2)"
        )
    if targets.ndim != 1 or len(targets) != len(inputs):
        told = one_each(targets if len(targets.shape) and len(targets) == len(inputs) else np.empty(0))
        raise UsageError(f"y has the shape {list(targets.shape)} and x {list(inputs.shape)}: {told}")
    given: dict[str, Any] = {
        name: torch.from_numpy(_row_values(name, rows, len(inputs))) for name, rows in (beside or {}).items()
    }
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
        notes=target.notes,
        **given,
    )


def of_datasets(sets: Sequence[Any]) -> tuple[Any, Any, dict[str, Any]]:
    """Return x, y and the splits of data sets of torch whose items are pairs (x, y): one, or training, (validation) and test.

    Each item is taken once, so whatever a transform draws is drawn once.

    Raises
    ------
    UsageError
        For items that are no pairs, or differ in shape.
    """
    import numpy as np

    xs: list[Any] = []
    ys: list[Any] = []
    ends = [0]
    for one in sets:
        for i in range(len(one)):
            item = one[i]
            if not isinstance(item, tuple | list) or len(item) != 2:
                raise UsageError(
                    f"data: item {i} of the {type(one).__name__} is a {type(item).__name__}: each must be a pair (x, y); "
                    "or give arrays, data=(x, y)"
                )
            xs.append(_array(item[0], "x"))
            ys.append(_array(item[1], "y"))
            if xs[-1].shape != xs[0].shape:
                raise UsageError(
                    f"data: examples of the {type(one).__name__} have the shapes {list(xs[0].shape)} and {list(xs[-1].shape)}: "
                    "bring all of them to one size"
                )
        ends.append(len(xs))
    names = {1: (), 2: ("test",), 3: ("val", "test")}[len(sets)]
    parts = {name: np.arange(*ends[i : i + 2]) for i, name in enumerate(names, 1)}
    return np.stack(xs), np.stack(ys), parts


def _inputs(x: Any) -> Any:
    """Return x as an array of numbers with known axes. Raise UsageError for anything else; it says what to give."""
    shapes = "[n, features], [n, steps, features] or [n, channels, height, width]"
    if isinstance(x, Mapping) or (isinstance(x, tuple) and any(len(getattr(part, "shape", ())) > 1 for part in x)):
        raise UsageError(
            f"x is a {type(x).__name__}: a network gets one array of the shape {shapes}; join several by numpy.concatenate, "
            "and split them in the network's forward; for a test split of your own give (x, y, {'test': rows})"
        )
    if hasattr(x, "toarray"):
        raise UsageError(f"x is a {type(x).__name__}, in which zeros are left out: give x.toarray()")
    inputs = _array(x, "x")
    if inputs.ndim not in _AXES or inputs.dtype.kind not in "biuf":
        hint = "; give x.astype(float)" if inputs.dtype == object and inputs.ndim in _AXES else ""
        raise UsageError(
            f"x has the shape {list(inputs.shape)} and the type {inputs.dtype}: it must hold numbers and have the "
            f"shape {shapes}{hint}; for words or graphs give a dropbench.data.base.Table"
        )
    return inputs


def _row_values(name: str, values: Any, n: int) -> Any:
    """Return row numbers [k] of a split, or a value for each row, [n], with the type that a Table takes."""
    import numpy as np

    from dropbench.data.tabular.target import one_column

    if name not in (*_PARTS, *_BESIDE):
        raise UsageError(f"'{name}' is not a part of the data; {nearest(str(name), (*_PARTS, *_BESIDE))}")
    given = one_column(_array(values, name))
    if name in _PARTS:
        if given.dtype.kind == "b" and given.shape == (n,):
            return np.flatnonzero(given)
        if given.ndim != 1 or given.dtype.kind not in "iu":
            raise UsageError(f"{name} must hold row numbers from 0, or true and false for each of the {n} rows")
        return given.astype(np.int64)
    if given.shape != (n,):
        raise UsageError(f"{name} has the shape {list(given.shape)}; it must be one value for each of the {n} rows")
    if name == "groups":
        given = np.unique(given.astype(str) if given.dtype == object else given, return_inverse=True)[1]
    elif given.dtype.kind not in ("biufM" if name == "times" else "biuf"):
        raise UsageError(f"{name} has the type {given.dtype}; it must hold numbers{' or dates' * (name == 'times')}")
    elif name == "weights" and given.sum() > 0:
        given = given / given.mean()  # as data.weight is read
    return given.astype("datetime64[ns]" if given.dtype.kind == "M" else given.dtype).astype(_BESIDE[name])


def _target(y: Any) -> Target:
    """Return y [n] as classes or numbers, by its type, with a note where its values look like the other.

    Raises UsageError for many whole numbers of which one occurs once, because these are numbers to predict.
    """
    import numpy as np
    import torch

    from dropbench.data.tabular.alike import asked
    from dropbench.data.tabular.target import FEW, Target

    if y.dtype.kind == "f":
        different = np.unique(y)
        whole = len(different) <= FEW and bool((different == np.floor(different)).all())
        told = f"y holds {count(len(different), 'different whole number')} as floating-point numbers, which are read as numbers"
        notes = (f"{told} to predict; for classes give y.astype(int)",) if whole else ()
        return Target("regress", torch.from_numpy(y.astype(np.float32)), (), notes)
    names, places, rows = np.unique(y.astype(str) if y.dtype == object else y, return_inverse=True, return_counts=True)
    classes = tuple(map(str, names))
    said = asked("y", "classes", classes)
    if y.dtype.kind in "iu" and len(names) > FEW:
        told = f"y holds {len(names)} different whole numbers, which are read as classes"
        if (rows == 1).any():
            lone = f"and {names[rows == 1][0]} occurs once, so it cannot be both trained on and tested"
            raise UsageError(f"{told}, {lone}; for numbers to predict give y.astype(float)")
        said.append(f"{told}; for numbers to predict give y.astype(float)")
    return Target("classify", torch.from_numpy(places.astype(np.int64)), classes, tuple(said))


def _array(values: Any, name: str) -> Any:
    import numpy as np

    if hasattr(values, "detach"):  # a tensor, on any device
        values = values.detach().cpu()
    try:
        return np.asarray(values)
    except ValueError as error:
        raise UsageError(f"{name} holds parts of different shapes: bring all rows to one shape") from error

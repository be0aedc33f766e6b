"""Views: what one example looks like to a model. A model says what it eats, a data set's axes say what it can be.

flat: one vector, axes "F". image: channels, rows, columns, "CHW". sequence: steps of features, "TF"; an image is read
row by row, so a step is one row of every channel.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import prod

from torch import Tensor

from dropbench.errors import UsageError

_VIEWS = {"CHW": ("flat", "image", "sequence"), "F": ("flat",), "TF": ("sequence", "flat")}


def views(axes: str) -> tuple[str, ...]:
    """The views that examples with these axes have."""
    return _VIEWS[axes]


def check(model_name: str, eats: Sequence[str], data_name: str, axes: str) -> str:
    """The view in which this data goes into this model: the first that the model eats and the data can be.

    Raises UsageError where there is none.
    """
    possible = views(axes)
    for view in eats:
        if view in possible:
            return view
    wanted, given = " or ".join(eats), " or ".join(possible)
    needed = " or ".join(a for a, can in _VIEWS.items() if any(view in can for view in eats))
    raise UsageError(
        f"model '{model_name}' eats {wanted}, but data '{data_name}' can only be {given}; "
        f"choose data with axes {needed}, or a model that eats {given}"
    )


def view_shape(shape: Sequence[int], axes: str, view: str) -> tuple[tuple[int, ...], str]:
    """The shape and axes letters of one example of this shape and axes, once viewed."""
    _possible(axes, view)
    if view == "flat":
        return (prod(shape),), "F"
    if view == "sequence" and axes == "CHW":
        channels, height, width = shape
        return (height, channels * width), "TF"
    return tuple(shape), axes


def apply(x: Tensor, axes: str, view: str) -> Tensor:
    """`x` [..., *shape] viewed: [..., *view_shape(shape)]; any number of leading axes, none included.

    Statistics of the data go through the same function once they are expanded to one example's shape.
    """
    _possible(axes, view)
    if view == "flat":
        return x.flatten(-len(axes))
    if view == "sequence" and axes == "CHW":
        return x.movedim(-3, -2).flatten(-2)
    return x


def _possible(axes: str, view: str) -> None:
    if view not in views(axes):
        raise ValueError(f"axes {axes!r} have no view {view!r}: check() comes first")

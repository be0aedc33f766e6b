"""Views: what one example looks like to a model. A model says what it eats, a data set's axes say what it can be.

flat: one vector, axes "F". image: channels, rows, columns, "CHW". sequence: steps of features, "TF"; an image is read
row by row, so a step is one row of every channel.

Three are handed over as numbers to look up, int64, and their shape is that of what is looked up. tokens: T words out of
V, "TV", as word numbers [..., T]. text: a window of running text, "TV", as word numbers [..., T]. graph: one node out of
N with F features each, "NF", as node numbers [...].
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from math import prod

from torch import Tensor

from dropbench.data.base import Table
from dropbench.errors import UsageError

_VIEWS = {
    "CHW": ("flat", "image", "sequence"),
    "F": ("flat",),
    "TF": ("sequence", "flat"),
    "T": ("tokens",),
    "W": ("text",),
    "N": ("graph",),
}


_CALLED = {
    "CHW": "images",
    "F": "features",
    "TF": "sequences of features",
    "T": "sentences",
    "W": "a running text",
    "N": "a graph",
}
"""What data with these axes are, in words."""


class Shape(tuple[int, ...]):
    """The shape of one example as a model sees it, and in which view: "flat", "image", ...

    `edges` is the number of undirected edges of a graph, 0 for anything else.
    """

    view: str
    edges: int

    def __new__(cls, sizes: Iterable[int], view: str, edges: int = 0) -> Shape:
        made = super().__new__(cls, sizes)
        made.view, made.edges = view, edges
        return made

    def __getnewargs__(self) -> tuple[tuple[int, ...], str, int]:
        """So that a copy, or one in another process, knows its view too."""
        return tuple(self), self.view, self.edges


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
    needed = " or ".join(_CALLED[a] for a, can in _VIEWS.items() if any(view in can for view in eats))
    raise UsageError(
        f"model '{model_name}' eats {wanted}, but data '{data_name}' can only be {given}; "
        f"choose data that are {needed}, or a model that eats {given}"
    )


def view_shape(table: Table, view: str) -> Shape:
    """The shape of one example of this table, once viewed."""
    _possible(table.axes, view)
    shape = table.shape
    if view == "flat":
        return Shape((prod(shape),), view)
    if view == "sequence" and table.axes == "CHW":
        channels, height, width = shape
        return Shape((height, channels * width), view)
    if view == "graph" and table.graph is not None:
        return Shape(table.graph.features.shape, view, edges=table.graph.edges.shape[1])
    if view in ("tokens", "text"):
        steps = shape[0] if view == "tokens" else table.window
        return Shape((steps or 0, table.vocabulary or 0), view)
    return Shape(shape, view)


def apply(x: Tensor, axes: str, view: str) -> Tensor:
    """`x` [..., *table.shape] viewed: [..., *view_shape(table, view)], or numbers; see above.

    Any number of leading axes, none included. Statistics of the data go through the same function once they are
    expanded to one example's shape.
    """
    _possible(axes, view)
    if view == "flat":
        return x.flatten(-len(axes))
    if view == "sequence" and axes == "CHW":
        return x.movedim(-3, -2).flatten(-2)
    if view == "graph":
        return x.squeeze(-1)
    return x


def _possible(axes: str, view: str) -> None:
    if view not in views(axes):
        raise ValueError(f"axes {axes!r} have no view {view!r}: check() comes first")

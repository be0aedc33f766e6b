"""Views: the form in which a model receives an example.

A model says which views it accepts (`eats`), and the axes of a data set determine which views it has:
    flat      one vector, axes "F"
    image     channels, rows, columns, "CHW"
    sequence  steps of features, "TF"; an image is read row by row, so a step is one row of every channel

In three more views an example consists of int64 numbers to look up, and its shape is that of the table to look them up in:
    tokens    T words from a vocabulary of V, "TV", as word numbers [..., T]
    text      a window of running text, "TV", as word numbers [..., T]
    graph     one of N nodes with F features each, "NF", as node numbers [...]
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
"""The names of data with these axes in messages."""


class Shape(tuple[int, ...]):
    """The shape of one example as a model receives it.

    Attributes
    ----------
    view : str
        The view: "flat", "image", ...
    edges : int
        Undirected edges of a graph; 0 for anything else.
    numbers : int
        How many of the first inputs are numbers; the others of a table are flags and levels of categories.
    levels : tuple of int
        For a table, the number of levels of each category. They are the last inputs, one per level, category by category.
    """

    view: str
    edges: int
    numbers: int
    levels: tuple[int, ...]

    def __new__(
        cls,
        sizes: Iterable[int],
        view: str,
        edges: int = 0,
        numbers: int | None = None,
        levels: Sequence[int] = (),
    ) -> Shape:
        """Creates a tuple of these sizes with a view. numbers None: all inputs are numbers."""
        shape = super().__new__(cls, sizes)
        shape.view, shape.edges, shape.levels = view, edges, tuple(levels)
        shape.numbers = prod(shape) if numbers is None else numbers
        return shape

    def __getnewargs__(self) -> tuple[tuple[int, ...], str, int, int, tuple[int, ...]]:
        """Returns the arguments for a copy or a pickle, so that it keeps its view."""
        return tuple(self), self.view, self.edges, self.numbers, self.levels


def views(axes: str) -> tuple[str, ...]:
    """Returns the views that examples with these axes have."""
    return _VIEWS[axes]


def check(model_name: str, eats: Sequence[str], data_name: str, axes: str) -> str:
    """Returns the view in which a model reads a data set: the first one that it accepts and that the data have.

    Parameters
    ----------
    model_name, data_name : str
        The names for the message.
    eats : sequence of str
        The views that the model accepts, best first.
    axes : str
        The data set's axes.

    Raises
    ------
    UsageError
        If there is no such view.
    """
    possible = views(axes)
    for view in eats:
        if view in possible:
            return view
    wanted, given = " or ".join(eats), " or ".join(possible)
    needed = " or ".join(_CALLED[a] for a, can in _VIEWS.items() if any(view in can for view in eats))
    raise UsageError(
        f"model '{model_name}' takes {wanted} input, but data '{data_name}' can only be given as {given}; "
        f"choose data that are {needed}, or a model that takes {given} input"
    )


def view_shape(table: Table, view: str) -> Shape:
    """Returns the shape of one example of this table in a view."""
    _possible(table.axes, view)
    shape = table.shape
    if view == "flat" and table.prepared is not None:
        columns = table.prepared.columns
        levels = [len(columns.columns[i].levels) for i in columns.categories]
        return Shape(shape, view, numbers=len(columns.numbers), levels=levels)
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
    """Converts x [..., *table.shape] to a view: [..., *view_shape(table, view)], or numbers to look up, see above.

    There may be any number of leading axes, or none. Mean and standard deviation of the data, expanded to one example's
    shape, go through the same function.
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

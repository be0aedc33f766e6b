"""How pictures look: colours that the colour-blind tell apart, each with a line, a marker and a hatch of its own for grey.

The only file that imports matplotlib; it is itself imported with the first picture.
"""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any

from matplotlib import rc_context, rcdefaults, rcParams
from matplotlib.axes import Axes
from matplotlib.colors import to_rgba
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.ticker import MaxNLocator, MultipleLocator

__all__ = ["Axes", "Figure", "Line2D", "Patch", "to_rgba"]

INK, PAPER = "#1a1b1c", "#fefefe"
"""Lines and words, and what is behind them: no other element has these, for a page puts its own in their place."""
BLUE, VERMILLION, GREEN, PURPLE, ORANGE, SKY = "#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9"
"""Okabe & Ito (2008), Color Universal Design; without its yellow, which is lost on white."""
GREY = "#808080"
COLOURS = {"blue": BLUE, "vermillion": VERMILLION, "green": GREEN, "purple": PURPLE, "orange": ORANGE, "sky": SKY}
WIDTH = 6.2
"""Inches. With text of 9 points a figure is readable across a page and, scrolled a little, on a phone."""
NARROW = 4.5
"""Inches below which text is smaller, and fewer panels stand side by side."""
_SMALL: Any = {
    "font.size": 7.5,
    "axes.titlesize": 7.5,
    "axes.labelsize": 7.5,
    "legend.fontsize": 7,
    "lines.markersize": 4,
}
_SMALL |= {"xtick.labelsize": 7, "ytick.labelsize": 7}
_wide: ContextVar[float] = ContextVar("wide", default=WIDTH)
"""Of the figures that are drawn now, in inches."""
SETTINGS: Any = {
    "font.family": "sans-serif",
    "font.sans-serif": ["DejaVu Sans"],
    "font.size": 9,
    "axes.titlesize": 9,
    "axes.labelsize": 9,
    "legend.fontsize": 8.5,
    "xtick.labelsize": 8.5,
    "ytick.labelsize": 8.5,
    "text.color": INK,
    "axes.edgecolor": INK,
    "axes.labelcolor": INK,
    "axes.titlecolor": INK,
    "xtick.color": INK,
    "ytick.color": INK,
    "figure.facecolor": PAPER,
    "axes.facecolor": "none",
    "savefig.facecolor": PAPER,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.linewidth": 0.8,
    "axes.unicode_minus": True,
    "axes.formatter.useoffset": False,
    "grid.color": GREY,
    "grid.alpha": 0.3,
    "grid.linewidth": 0.5,
    "lines.linewidth": 1.6,
    "lines.markersize": 5.5,
    "hatch.linewidth": 0.6,
    "legend.frameon": False,
    "savefig.dpi": "figure",
    "svg.fonttype": "none",
    "pdf.fonttype": 42,  # fonts are embedded as outlines that can be searched, as publishers ask
    "ps.fonttype": 42,
    "text.parse_math": False,
}


@dataclass(frozen=True)
class Mark:
    """How one series is drawn. Any two of the first six differ in each of the three."""

    colour: str
    line: Any
    marker: str


MARKS = tuple(
    Mark(colour, line, marker)
    for colour, line, marker in zip(
        (BLUE, VERMILLION, GREEN, PURPLE, ORANGE, SKY),
        ("-", (0, (5, 2)), (0, (1, 1.2)), (0, (6, 1.5, 1, 1.5)), (0, (8, 2)), (0, (3, 1, 1, 1, 1, 1))),
        ("o", "s", "^", "D", "v", "P"),
        strict=True,
    )
)


@contextmanager
def look(salt: str | None = None) -> Iterator[None]:
    """SETTINGS and matplotlib's own defaults, not the user's, while a figure is made or written; then all is as before.

    salt: from which the ids in an SVG are made, at random without one.
    """
    with rc_context():
        rcdefaults()
        rcParams.update(SETTINGS)
        if _wide.get() < NARROW:
            rcParams.update(_SMALL)
        rcParams["svg.hashsalt"] = salt
        yield


@contextmanager
def wide(inches: float) -> Iterator[None]:
    """Figures that are made within are so wide."""
    token = _wide.set(inches)
    try:
        yield
    finally:
        _wide.reset(token)


def narrow() -> bool:
    """Whether the figures that are made now have room for little."""
    return _wide.get() < NARROW


def figure(height: float) -> Figure:
    """An empty figure, height inches high. Not pyplot's: that would keep it, and ask for a screen."""
    return Figure(figsize=(_wide.get(), height), layout="constrained")


def panels(count: int, height: float, *, across: int, same_x: bool = True) -> tuple[Figure, list[Axes]]:
    """`count` axes of the same scales, `across` in a row where there is room, each row `height` inches high.

    Only the outer ones have numbers.
    """
    columns = max(1, min(round(across * _wide.get() / WIDTH), count))
    rows = -(-count // columns)
    drawn = figure(rows * height + 0.5)
    grid = drawn.subplots(rows, columns, sharex=same_x, sharey=True, squeeze=False)
    flat = list(grid.flat)
    for spare in flat[count:]:
        spare.remove()
    for above in flat[max(0, count - columns) : count]:
        above.tick_params(labelbottom=True)  # the row below may end before this column
    return drawn, flat[:count]


def folded(label: str, width: int = 24) -> str:
    """An arm's label in lines of at most `width` characters."""
    return "\n".join(textwrap.wrap(label, width)) or label


def whole_ticks(axes: Axes, most: int) -> None:
    """Along x at most so many numbers, all whole."""
    axes.xaxis.set_major_locator(MaxNLocator(most, integer=True))


def spaced_ticks(axes: Axes, step: float) -> None:
    """Along x a number at each multiple of the step."""
    axes.xaxis.set_major_locator(MultipleLocator(step))


def few_ticks(axes: Axes, most: int) -> None:
    """Along y at most so many intervals between numbers."""
    axes.yaxis.set_major_locator(MaxNLocator(most))


def plain_grid(axes: Axes, which: str = "y") -> None:
    """Faint lines behind what is drawn, across the axis `which`."""
    axes.grid(axis=which, zorder=0)  # type: ignore[arg-type]
    axes.set_axisbelow(True)


def of_all(shown: int, every: int) -> str:
    """What a title says where not every arm has room: ` (12 of 60 arms)`."""
    return f" ({shown} of {every} arms)" if shown < every else ""


def some(labels: Sequence[str], baseline: str | None, chosen: Sequence[str], most: int) -> list[str]:
    """At most `most` of the labels, in their order: the baseline and the chosen, then the first of the rest."""
    first = [label for label in labels if label == baseline or label in chosen]
    kept = set([*first, *(label for label in labels if label not in first)][:most])
    return [label for label in labels if label in kept]

"""The style of pictures: colours that the colour-blind can tell apart, each with its own line and marker for greyscale.

This is the only file that imports matplotlib; it is itself imported with the first picture.
"""

from __future__ import annotations

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
"""The colours of lines and text, and of the background. Nothing else has these, because a page replaces them by its own."""
BLUE, VERMILLION, GREEN, PURPLE, ORANGE, SKY = "#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9"
"""From Okabe & Ito (2008), Color Universal Design, without its yellow, which is hardly visible on white."""
GREY = "#808080"
COLOURS = {"blue": BLUE, "vermillion": VERMILLION, "green": GREEN, "purple": PURPLE, "orange": ORANGE, "sky": SKY}
WIDTH = 6.2
"""The usual width in inches. With text of 9 points a figure is readable across a page and, with some scrolling, on a phone."""
ACROSS = 24
"""The usual most characters in a line of an arm's name."""
NARROW = 4.5
"""Below this width in inches text is smaller, and fewer panels stand side by side."""
_SMALL: Any = {
    "font.size": 7.5,
    "axes.titlesize": 7.5,
    "axes.labelsize": 7.5,
    "legend.fontsize": 7,
    "lines.markersize": 4,
}
_SMALL |= {"xtick.labelsize": 7, "ytick.labelsize": 7}
_wide: ContextVar[float] = ContextVar("wide", default=WIDTH)
"""The width of the figures that are being drawn, in inches."""
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
    "pdf.fonttype": 42,  # embeds fonts as outlines (TrueType) with text that can be searched, as publishers ask
    "ps.fonttype": 42,
    "text.parse_math": False,
}


@dataclass(frozen=True)
class Mark:
    """The style of one series. Any two of MARKS differ in colour, line and marker."""

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
    """Use SETTINGS over matplotlib's own defaults, not the user's, while a figure is made or written; then restore all.

    salt: the seed of the ids in an SVG, which are random without one.
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
    """Set the width of the figures that are made within this context."""
    token = _wide.set(inches)
    try:
        yield
    finally:
        _wide.reset(token)


def narrow() -> bool:
    """Return whether the figures that are being drawn are narrow."""
    return _wide.get() < NARROW


def figure(height: float) -> Figure:
    """Return an empty figure, `height` inches high. It is not pyplot's, which would keep it in memory and may need a screen."""
    return Figure(figsize=(_wide.get(), height), layout="constrained")


def panels(count: int, height: float, *, across: int, same_x: bool = True) -> tuple[Figure, list[Axes]]:
    """Return `count` axes with the same scales, `across` in a row if there is room, each row `height` inches high.

    Only the outer axes have numbers.
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


def legend_columns(names: Sequence[str], most: int = 4) -> int:
    """Return how many of a legend's entries fit side by side: 0.075 inches a letter, and half an inch beside them."""
    entry = 0.5 + 0.075 * max(map(len, names), default=0)
    return max(1, min(most, int(_wide.get() / entry)))


def whole_ticks(axes: Axes, most: int) -> None:
    """Put whole numbers along x, in at most `most` intervals."""
    axes.xaxis.set_major_locator(MaxNLocator(most, integer=True))


def spaced_ticks(axes: Axes, step: float) -> None:
    """Put a number along x at each multiple of the step."""
    axes.xaxis.set_major_locator(MultipleLocator(step))


def few_ticks(axes: Axes, most: int) -> None:
    """Put numbers along y, in at most `most` intervals."""
    axes.yaxis.set_major_locator(MaxNLocator(most))


def plain_grid(axes: Axes, which: str = "y") -> None:
    """Draw faint grid lines for the axis `which`, behind everything else."""
    axes.grid(axis=which, zorder=0)  # type: ignore[arg-type]
    axes.set_axisbelow(True)


def of_all(shown: int, every: int) -> str:
    """Return what a title says if not every arm has room: ` (12 of 60 arms)`."""
    return f" ({shown} of {every} arms)" if shown < every else ""


def some(labels: Sequence[str], baseline: str | None, chosen: Sequence[str], most: int) -> list[str]:
    """Return at most `most` of the labels, in their order: the baseline and the chosen ones, then the first of the rest."""
    first = [label for label in labels if label == baseline or label in chosen]
    kept = set([*first, *(label for label in labels if label not in first)][:most])
    return [label for label in labels if label in kept]

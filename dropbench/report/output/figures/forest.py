"""Forest plot: each arm's mean difference from the baseline with its interval, drawn over the region of equivalence."""

from __future__ import annotations

import math
from collections.abc import Mapping

from dropbench.report.output.breaks import folded
from dropbench.report.output.figures.picture import Picture, slug
from dropbench.report.output.figures.style import (
    ACROSS,
    BLUE,
    GREEN,
    GREY,
    INK,
    PAPER,
    VERMILLION,
    Figure,
    figure,
    look,
)
from dropbench.report.statistics.contrast import Contrast, levels
from dropbench.report.statistics.verdict import SAME
from dropbench.report.tables.comparison import Comparison

MINUS = "\N{MINUS SIGN}"
_LOOK = {
    "better": (GREEN, "o", True),
    "worse": (VERMILLION, "X", True),
    SAME: (BLUE, "s", True),
    "higher": (BLUE, "^", True),
    "lower": (BLUE, "v", True),
}
"""Colour, marker, and whether the marker is filled, for each confirmed verdict."""
_OPEN = (INK, "o", False)
_ACROSS = 90
"""The longest line below the axis, in characters, so that nothing is cut off."""


def draw(comparison: Comparison) -> Picture | None:
    """Draw the arms' differences; None without a baseline, or if no arm has a difference with an interval."""
    contrasts = _drawable(comparison.verdicts)
    if not contrasts or comparison.measure is None:
        return None
    baseline, sure = comparison.baseline, levels(contrasts.values(), comparison.alpha)
    drawn, words = _forest(contrasts, comparison.alpha, f"minus that of {baseline}", f"{len(contrasts)} arms")
    alt = (
        f"Forest plot of differences in {comparison.measure.spoken} from {baseline}, mean and {sure} interval: {words}"
    )
    return Picture("forest", f"Differences from {baseline}, with {sure} intervals", alt, drawn, _reads(contrasts))


def draw_parts(comparison: Comparison) -> list[Picture]:
    """Draw how much each regularizer adds to an arm, the most first, for each arm that is compared with itself without them."""
    pictures = []
    for arm in dict.fromkeys(a.part_of for a in comparison.answers if a.part_of):
        answers = {a.name.removesuffix(f" in {arm}"): a.contrast for a in comparison.answers if a.part_of == arm}
        contrasts = _drawable(answers)
        if not contrasts:
            continue
        first = next(iter(contrasts.values()))
        sure, spoken = levels(contrasts.values(), first.alpha), first.measure.spoken
        drawn, words = _forest(
            contrasts, first.alpha, "minus that of the same without", f"{len(comparison.answers)} contrasts", of=arm
        )
        alt = (
            f"Forest plot of the {spoken} of {arm} minus that of {arm} without each, mean and {sure} interval: {words}"
        )
        title = f"What each regularizer is worth to {arm}, with {sure} intervals"
        pictures.append(Picture(f"parts-{slug(arm)}", title, alt, drawn, _reads(contrasts)))
    return pictures


def _reads(contrasts: Mapping[str, Contrast]) -> str:
    first = next(iter(contrasts.values()))
    shaded = f" The shaded band, ±{first.measure.size(first.region)}, is no difference that matters."
    return f"Intervals hold for all at once; filled marks are confirmed.{shaded if math.isfinite(first.region) else ''}"


def _drawable(contrasts: Mapping[str, Contrast]) -> dict[str, Contrast]:
    """Return the contrasts with an interval."""
    return {
        label: c
        for label, c in contrasts.items()
        if all(map(math.isfinite, (c.difference.mean, c.difference.low, c.difference.high)))
    }


def _forest(
    contrasts: Mapping[str, Contrast], alpha: float, minus: str, family: str, of: str = ""
) -> tuple[Figure, str]:
    """Return the figure, with one row per contrast of one measure, and its numbers in words.

    alpha: how often any of the intervals may miss. minus: words for what is subtracted. family: words for the contrasts over
    which the intervals hold at once. of: the arm whose measure it is, if the rows do not name it.
    """
    measure = next(iter(contrasts.values())).measure
    scale, write, sure = measure.scale, measure.difference, levels(contrasts.values(), alpha)
    rows = [(c.difference, c.verdict) for c in contrasts.values()]
    rope = next(iter(contrasts.values())).region * scale
    said = [
        f"{write(d.mean)}  ({write(d.low)} to {write(d.high)})\n{verdict}".replace("-", MINUS) for d, verdict in rows
    ]
    shaded = f"±{measure.size(rope / scale)}, no difference that matters" if math.isfinite(rope) else ""
    with look():
        drawn = figure(1.1 + 0.42 * len(rows))
        axes = drawn.subplots()
        if math.isfinite(rope):
            axes.axvspan(-rope, rope, facecolor=GREY, alpha=0.22, linewidth=0, zorder=0)
            for edge in (-rope, rope):
                axes.axvline(edge, color=GREY, linewidth=0.7, linestyle=":", zorder=1)
        axes.axvline(0, color=INK, linewidth=0.9, zorder=1)
        for place, (d, verdict) in enumerate(rows):
            colour, marker, filled = _LOOK.get(verdict, _OPEN)
            axes.plot([d.low * scale, d.high * scale], [place, place], color=colour, linewidth=2, zorder=2)
            axes.plot(
                d.mean * scale, place, marker, color=colour, mfc=colour if filled else PAPER, mew=1.6, ms=7, zorder=3
            )
        axes.set_yticks(range(len(rows)), [folded(label, ACROSS) for label in contrasts])
        axes.set_ylim(len(rows) - 0.4, -0.6)
        axes.tick_params(axis="y", length=0)
        axes.spines["left"].set_visible(False)
        way = {1: " (higher is better)", -1: " (lower is better)", 0: ""}[measure.direction]
        every = f"both {family[2:]}" if family.startswith("2 ") else f"all {family}"
        at_once = f" that hold for {every} at once" if not family.startswith("1 ") else ""
        whose = f"{measure.spoken} of {of}" if of else measure.spoken
        label = f"{whose} {minus}{', points' if measure.in_percent else ''}{way}"
        meant = [f"{sure} intervals{at_once}", *[f"shaded: {shaded}"] * bool(shaded)]
        below = "; ".join(meant) if len("; ".join(meant)) <= _ACROSS else ";\n".join(meant)
        axes.set_xlabel(f"{label}\n{below}")
        numbers = axes.secondary_yaxis("right")
        numbers.set_yticks(range(len(rows)), said)
        numbers.tick_params(axis="y", length=0)
        numbers.spines["right"].set_visible(False)
    words = "; ".join(
        f"{label} {write(d.mean)}, {write(d.low)} to {write(d.high)}, {verdict}"
        for label, (d, verdict) in zip(contrasts, rows, strict=True)
    )
    return drawn, f"{words}.{f' Shaded: {shaded}.' if shaded else ''}"

"""Forest plot: each arm's mean difference from the baseline with its interval, held against the region of equivalence."""

from __future__ import annotations

import math

from dropbench.report.output.figures.picture import Picture
from dropbench.report.output.figures.style import BLUE, GREEN, GREY, INK, PAPER, VERMILLION, figure, folded, look
from dropbench.report.statistics.interval import confidence
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
"""Colour, marker, and whether it is filled, of what is confirmed."""
_OPEN = (INK, "o", False)


def draw(comparison: Comparison) -> Picture | None:
    """None without a baseline, or where no arm has a difference with an interval."""
    contrasts = {
        label: c
        for label, c in comparison.verdicts.items()
        if all(map(math.isfinite, (c.difference.mean, c.difference.low, c.difference.high)))
    }
    if not contrasts or comparison.measure is None:
        return None
    measure, baseline = comparison.measure, comparison.baseline
    scale, write, sure = measure.scale, measure.difference, confidence(comparison.alpha)
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
        axes.set_yticks(range(len(rows)), [folded(label) for label in contrasts])
        axes.set_ylim(len(rows) - 0.4, -0.6)
        axes.tick_params(axis="y", length=0)
        axes.spines["left"].set_visible(False)
        way = {1: " (higher is better)", -1: " (lower is better)", 0: ""}[measure.direction]
        at_once = f" that hold for all {len(rows)} arms at once" if len(rows) > 1 else ""
        label = f"{measure.spoken} minus that of {baseline}{', points' if measure.in_percent else ''}{way}"
        axes.set_xlabel(f"{label}\n{sure} intervals{at_once}{f'; shaded: {shaded}' if shaded else ''}")
        numbers = axes.secondary_yaxis("right")
        numbers.set_yticks(range(len(rows)), said)
        numbers.tick_params(axis="y", length=0)
        numbers.spines["right"].set_visible(False)
    words = "; ".join(
        f"{label} {write(d.mean)}, {write(d.low)} to {write(d.high)}, {verdict}"
        for label, (d, verdict) in zip(contrasts, rows, strict=True)
    )
    region = f" Shaded: {shaded}." if shaded else ""
    alt = f"Forest plot of differences in {measure.spoken} from {baseline}, mean and {sure} interval: {words}.{region}"
    return Picture("forest", f"Differences from {baseline}, with {sure} intervals", alt, drawn)

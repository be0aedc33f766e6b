"""Forest plot: each arm's mean difference from the baseline with its interval, held against the region of equivalence."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from dropbench.report.output.figures.picture import Picture
from dropbench.report.output.figures.scale import difference_axis, factor
from dropbench.report.output.figures.style import BLUE, GREEN, GREY, INK, PAPER, VERMILLION, figure, folded, look
from dropbench.report.records.frame import rows_of
from dropbench.report.records.measures import difference, size, spoken

if TYPE_CHECKING:
    from dropbench.report.assemble import Comparison

MINUS = "\N{MINUS SIGN}"
_LOOK = {
    "better": (GREEN, "o", True),
    "worse": (VERMILLION, "X", True),
    "equivalent": (BLUE, "s", True),
    "inconclusive": (INK, "o", False),
    "higher": (BLUE, "^", True),
    "lower": (BLUE, "v", True),
}
"""Colour, marker, and whether it is filled."""


def draw(comparison: Comparison) -> Picture | None:
    """None without a baseline, or where no arm has a difference with an interval."""
    measure, baseline, table = comparison.measure, comparison.baseline, comparison.table
    if measure is None or baseline is None or f"{measure}_diff_low" not in table:
        return None
    mean, low, high = (f"{measure}_diff_{part}" for part in ("mean", "low", "high"))
    rows = [r for r in rows_of(table) if r["arm"] != baseline and all(math.isfinite(r[k]) for k in (mean, low, high))]
    if not rows:
        return None
    scale, write = factor(measure), difference(measure)
    rope = next((r["rope"] for r in rows if math.isfinite(r["rope"])), math.nan) * scale
    said = [
        f"{write(r[mean])}  ({write(r[low])} to {write(r[high])})\n{r['verdict']}".replace("-", MINUS) for r in rows
    ]
    with look():
        drawn = figure(1.1 + 0.42 * len(rows))
        axes = drawn.subplots()
        if math.isfinite(rope):
            axes.axvspan(-rope, rope, facecolor=GREY, alpha=0.22, linewidth=0, zorder=0)
            for edge in (-rope, rope):
                axes.axvline(edge, color=GREY, linewidth=0.7, linestyle=":", zorder=1)
        axes.axvline(0, color=INK, linewidth=0.9, zorder=1)
        for place, row in enumerate(rows):
            colour, marker, filled = _LOOK[row["verdict"]]
            axes.plot([row[low] * scale, row[high] * scale], [place, place], color=colour, linewidth=2, zorder=2)
            axes.plot(
                row[mean] * scale, place, marker, color=colour, mfc=colour if filled else PAPER, mew=1.6, ms=7, zorder=3
            )
        axes.set_yticks(range(len(rows)), [folded(r["arm"]) for r in rows])
        axes.set_ylim(len(rows) - 0.4, -0.6)
        axes.tick_params(axis="y", length=0)
        axes.spines["left"].set_visible(False)
        shaded = f"; shaded: ±{size(measure, rope / scale)}, no difference that matters" if math.isfinite(rope) else ""
        axes.set_xlabel(f"{difference_axis(measure, baseline)}\n95 % intervals{shaded}")
        numbers = axes.secondary_yaxis("right")
        numbers.set_yticks(range(len(rows)), said)
        numbers.tick_params(axis="y", length=0)
        numbers.spines["right"].set_visible(False)
    words = "; ".join(f"{r['arm']} {write(r[mean])}, {write(r[low])} to {write(r[high])}, {r['verdict']}" for r in rows)
    region = f" Shaded: ±{size(measure, rope / scale)}, no difference that matters." if math.isfinite(rope) else ""
    alt = f"Forest plot of differences in {spoken(measure)} from {baseline}, mean and 95 % interval: {words}.{region}"
    return Picture("forest", f"Differences from {baseline}, with 95 % intervals", alt, drawn)

"""Seed by seed: the baseline's score and the arm's under the same seed, joined, so that one sees how many seeds agree."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dropbench.report.output.figures.picture import Picture
from dropbench.report.output.figures.scale import axis, factor
from dropbench.report.output.figures.style import (
    BLUE,
    GREY,
    INK,
    PAPER,
    VERMILLION,
    folded,
    look,
    panels,
    plain_grid,
    some,
)
from dropbench.report.records.measures import direction, spoken

if TYPE_CHECKING:
    import pandas as pd

    from dropbench.report.assemble import Comparison

MOST = 12
"""Panels: more cannot be told apart."""


def draw(comparison: Comparison) -> Picture | None:
    """None without a baseline, or where no arm has a seed in common with it."""
    measure, baseline, runs = comparison.measure, comparison.baseline, comparison.runs
    if measure is None or baseline is None:
        return None
    done = runs[(runs["status"] == "completed") & runs[measure].notna()]
    scores = done.pivot(index="seed", columns="label", values=measure) * factor(measure)
    if baseline not in scores:
        return None
    both = {a.label: _both(scores, baseline, a.label) for a in comparison.arms if a.label in scores}
    labels = [label for label, pairs in both.items() if label != baseline and len(pairs)]
    shown = some(labels, None, [c.chosen for c in comparison.choices], MOST)
    if not shown:
        return None
    sign = direction(measure) or 1
    told = []
    with look():
        drawn, flat = panels(len(shown), 2.5, across=4, same_x=False)
        for axes, label in zip(flat, shown, strict=True):
            for ours, theirs in both[label]:
                worse = sign * (ours - theirs) < 0
                colour, line = (VERMILLION, (0, (3, 2))) if worse else (BLUE, "-")
                if ours == theirs:
                    colour = GREY
                axes.plot([0, 1], [theirs, ours], color=colour, linestyle=line, linewidth=1, zorder=2)
                axes.plot([0, 1], [theirs, ours], "x" if worse else "o", color=colour, markersize=4, zorder=3)
            means = [sum(side) / len(side) for side in zip(*both[label], strict=True)]
            axes.plot([0, 1], means[::-1], "D-", color=INK, mfc=PAPER, linewidth=2.2, markersize=6, zorder=4)
            axes.set_xticks([0, 1], [folded(baseline, 12), folded(label, 12)])
            axes.set_xlim(-0.3, 1.3)
            plain_grid(axes)
            up = sum(sign * (ours - theirs) > 0 for ours, theirs in both[label])
            worse_seeds = sum(sign * (ours - theirs) < 0 for ours, theirs in both[label])
            words = ("better", "worse") if direction(measure) else ("higher", "lower")
            told.append(f"{label} {words[0]} under {up} of {len(both[label])} seeds, {words[1]} under {worse_seeds}")
            axes.set_title(f"{up} of {len(both[label])} {words[0]}")
        drawn.supxlabel("one line a seed; diamonds: means", fontsize=8.5)
        drawn.supylabel(axis(measure), fontsize=9)
    rest = f" {len(labels) - len(shown)} more arms are not shown." if len(labels) > len(shown) else ""
    alt = (
        f"Paired dots: {spoken(measure)} of {baseline} and of each arm under the same seed, joined; solid where the arm is "
        f"{words[0]}, dashed where it is {words[1]}, diamonds the means. {'; '.join(told)}.{rest}"
    )
    return Picture("pairs", f"Seed by seed against {baseline}", alt, drawn)


def _both(scores: pd.DataFrame, baseline: str, label: str) -> list[tuple[float, float]]:
    """(arm, baseline) of the seeds that both have, in the seeds' order."""
    if label == baseline:
        return []
    found = scores[[label, baseline]].dropna()
    return list(zip(found[label].tolist(), found[baseline].tolist(), strict=True))

"""Reliability diagram: how often answers of each confidence are right, and how many there are of each; one panel per arm."""

from __future__ import annotations

from typing import Any

import numpy as np

from dropbench.report.output.breaks import folded
from dropbench.report.output.figures import style
from dropbench.report.output.figures.picture import Picture
from dropbench.report.records.calibration import bins, ece
from dropbench.report.records.measures import Measure
from dropbench.report.records.scores import Floats
from dropbench.report.statistics import moments
from dropbench.report.statistics.interval import interval
from dropbench.report.tables.comparison import Comparison

MOST = 9
"""The most panels."""
_ACROSS = 3
FEW = 30
"""Bars of fewer examples (over all seeds) are hollow, because their height is mostly chance (an sd of up to .09)."""
FAINT, HATCH, DASHES = 0.25, "/////", (0, (4, 2))


def draw(comparison: Comparison) -> Picture | None:
    """Draw each arm's bins, summed over its runs; None if no run has bins."""
    stored = {label: bins(comparison.done(label)["arrays"].tolist()) for label in comparison.labels}
    labels = [label for label, bins_of in stored.items() if len(bins_of)]
    shown = style.some(labels, comparison.baseline, [c.chosen for c in comparison.choices], MOST)
    if not shown:
        return None
    told = []
    totals = [stored[label][:, 0].sum(0) for label in shown]
    top = 1.05 * max(float(examples.max() / examples.sum()) for examples in totals)
    columns = min(1 if style.narrow() else _ACROSS, len(shown))
    rows = -(-len(shown) // columns)
    with style.look():
        drawn = style.figure(rows * 2.75 + 0.55)
        grid = drawn.subplots(2 * rows, columns, sharex=True, sharey=False, squeeze=False, height_ratios=[3, 1] * rows)
        for place in range(rows * columns):
            above, below = (grid[2 * (place // columns) + i][place % columns] for i in (0, 1))
            if place >= len(shown):
                above.remove()
                below.remove()
                continue
            label = shown[place]
            told.append(f"{label}: {_panel(above, below, label, stored[label])}")
            below.set_ylim(0, top)
            style.few_ticks(below, 2)
            for axes in (above, below):
                axes.set_xlim(0, 1)
                style.spaced_ticks(axes, 0.5)
                axes.tick_params(labelleft=place % columns == 0)
                style.plain_grid(axes)
            below.tick_params(labelbottom=True)
            if place % columns == 0:
                above.set_ylabel("accuracy")
                below.set_ylabel("share")
        about = f"hollow: fewer than {FEW} examples; ECE: mean and 95 % interval over seeds"
        drawn.supxlabel(f"confidence ({about})", fontsize="medium")
        key = {
            "accuracy": style.Patch(facecolor=style.to_rgba(style.BLUE, FAINT), edgecolor=style.BLUE, linewidth=0.8),
            "gap to mean confidence": style.Patch(
                facecolor="none", edgecolor=style.VERMILLION, hatch=HATCH, linewidth=0.8
            ),
            "accuracy equal to confidence": style.Line2D([], [], color=style.INK, linestyle=DASHES, linewidth=1.2),
        }
        drawn.legend(list(key.values()), list(key), loc="outside upper center", ncols=1 if style.narrow() else 3)
    left_out = len(labels) - len(shown)
    rest = f" {left_out} more {'arm is' if left_out == 1 else 'arms are'} not shown." if left_out else ""
    alt = (
        "Reliability diagram of the test split: accuracy by confidence with the diagonal of perfect calibration, the gap "
        f"between accuracy and mean confidence hatched, and below how many answers have each. {'; '.join(told)}.{rest}"
    )
    title = f"Accuracy by confidence, with the expected calibration error (ECE){style.of_all(len(shown), len(labels))}"
    reads = (
        "Bars are the share of answers of each confidence that were right; on the dashed line it equals the confidence. "
        f"Hollow bars are of fewer than {FEW} examples."
    )
    return Picture("reliability", title, alt, drawn, reads)


def _panel(above: style.Axes, below: style.Axes, label: str, stored: Floats) -> str:
    """Draw one arm, and return a description of it in words."""
    write = Measure("test", "ece").level
    examples, confidence, right = stored.sum(0)
    count = len(examples)
    edges = np.linspace(0, 1, count + 1)
    held = examples > 0
    means, heights = np.zeros(count), np.zeros(count)
    means[held], heights[held] = confidence[held] / examples[held], right[held] / examples[held]
    often = examples >= FEW
    bar: dict[str, Any] = {"width": 1 / count, "align": "edge"}
    outline = bar | {"facecolor": "none", "linewidth": 0.8}
    left = edges[:-1]
    above.bar(left[often], heights[often], color=style.BLUE, alpha=FAINT, linewidth=0, zorder=2, **bar)
    above.bar(left[held], heights[held], edgecolor=style.BLUE, zorder=2, **outline)
    gaps = {"bottom": heights[often], "edgecolor": style.VERMILLION, "hatch": HATCH, "zorder": 3}
    above.bar(left[often], (means - heights)[often], **gaps, **outline)
    above.plot([0, 1], [0, 1], color=style.INK, linestyle=DASHES, linewidth=1.2, zorder=4)
    above.set_ylim(0, 1)
    below.bar(
        left, examples / examples.sum(), facecolor=style.GREY, edgecolor=style.INK, linewidth=0.8, zorder=2, **bar
    )
    errors = ece(stored)
    over = interval(errors)
    between = f" ({write(over.low)} to {write(over.high)})" if len(errors) > 1 else ""
    seeds = f"n = {len(errors)}"
    above.set_title(f"{folded(label, style.ACROSS)} ({seeds})\nECE {write(moments.mean(errors))}{between}")
    return (
        f"ECE {write(moments.mean(errors))}{f', 95 % interval{between}' if between else ''}, {seeds}, mean confidence "
        f"{100 * confidence.sum() / examples.sum():.1f} %, accuracy {100 * right.sum() / examples.sum():.1f} %"
    )

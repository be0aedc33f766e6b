"""Training and validation curves: means over seeds with intervals, and the gap between them shaded; one panel per arm."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from dropbench.report.output.breaks import folded
from dropbench.report.output.figures.picture import Picture
from dropbench.report.output.figures.style import (
    BLUE,
    GREY,
    VERMILLION,
    Axes,
    look,
    of_all,
    panels,
    plain_grid,
    some,
    whole_ticks,
)
from dropbench.report.records.history import columns
from dropbench.report.records.measures import LEADING, Measure
from dropbench.report.records.scores import Floats
from dropbench.report.statistics.interval import bands
from dropbench.report.tables.comparison import Comparison

MOST = 12
"""The most panels."""
READS = (
    "Lines are means over seeds, in the epochs that all runs of an arm have, and bands 95 % intervals of them; the gap between "
    "training and validation is hatched. The axis is scaled without the first fifth of training, so curves may begin outside "
    "of it."
)
_TITLE = 21
"""The most characters in a line of a panel's title, three of which stand side by side."""
_PARTS = (("train", BLUE, "-", "o"), ("val", VERMILLION, (0, (4, 1.5)), "s"))


def draw(comparison: Comparison, histories: Mapping[str, Path]) -> list[Picture]:
    """Draw one picture for each leading metric, and the verdict's, that histories hold. histories: {run id: history.csv}."""
    labels = [label for label in comparison.labels if len(comparison.done(label))]
    shown = some(labels, comparison.baseline, [c.chosen for c in comparison.choices], MOST)
    runs = {label: comparison.done(label)["run_id"].tolist() for label in shown}
    stored = {label: [columns(histories[run]) for run in ids if run in histories] for label, ids in runs.items()}
    metrics = dict.fromkeys([*LEADING, *([comparison.measure.metric] if comparison.measure else [])])
    pictures = []
    for measure in (comparison.measures.of("val", metric) for metric in metrics):
        # An arm with fewer than two epochs, which make no line, is left out; the panels of the others are drawn.
        arms = {
            label: parts
            for label, tables in stored.items()
            if (parts := _both(tables, measure)) is not None and len(parts[0]) > 1
        }
        if arms:
            pictures.append(_picture(measure, arms, len(labels) - len(arms)))
    return pictures


def _both(tables: Sequence[Mapping[str, Sequence[float]]], measure: Measure) -> tuple[Floats, dict[str, Floats]] | None:
    """Return (epochs [m], {part: [n, m]}) for the epochs in which all n runs that have this metric were evaluated."""
    names = {part: str(measure.on(part)) for part, *_ in _PARTS}
    have = [t for t in tables if all(name in t for name in names.values())]
    if not have:
        return None
    by_epoch = [
        {int(e): i for i, e in enumerate(t["epoch"]) if all(np.isfinite(t[n][i]) for n in names.values())} for t in have
    ]
    common = sorted(set.intersection(*(set(places) for places in by_epoch)))
    parts = {
        part: np.array([[t[name][places[e]] for e in common] for t, places in zip(have, by_epoch, strict=True)])
        for part, name in names.items()
    }
    return np.array(common), parts


def _picture(measure: Measure, arms: Mapping[str, tuple[Floats, dict[str, Floats]]], left_out: int) -> Picture:
    scale, write, name = measure.scale, measure.level, measure.name
    told = []
    with look():
        drawn, flat = panels(len(arms), 2.2, across=3)
        for axes, (label, (at, parts)) in zip(flat, arms.items(), strict=True):
            means = {part: values.mean(0) for part, values in parts.items()}
            gap = (at, scale * means["train"], scale * means["val"])
            # Two layers, because a hatched area with a transparent face loses its hatch in SVG.
            shade = axes.fill_between(*gap, color=GREY, alpha=0.25, linewidth=0, zorder=1)
            lines = axes.fill_between(
                *gap, facecolor="none", edgecolor=GREY, hatch="/////", linewidth=0, label="gap", zorder=1.5
            )
            for part, colour, line, marker in _PARTS:
                low, high = bands(parts[part])
                axes.fill_between(at, scale * low, scale * high, color=colour, alpha=0.22, linewidth=0, zorder=2)
                axes.plot(
                    at,
                    scale * means[part],
                    color=colour,
                    linestyle=line,
                    marker=marker,
                    markersize=4,
                    markevery=max(1, len(at) // 5),
                    label="training" if part == "train" else "validation",
                    zorder=3,
                )
            axes.set_title(folded(f"{label} ({_n(len(parts['train']))})", _TITLE))
            whole_ticks(axes, 5)
            plain_grid(axes)
            ends = " and ".join(f"{write(means[p][-1])} {w}" for p, w in (("train", "training"), ("val", "validation")))
            told.append(f"{label}, epoch {int(at[-1])}: {ends}")
        _focus(flat[0], [np.array(line) for _, parts in arms.values() for line in _late(parts)], scale)
        drawn.supxlabel("epoch (bands: 95 % interval of the mean over seeds)", fontsize="medium")
        drawn.supylabel(f"{name}, %" if measure.in_percent else name, fontsize="medium")
        handles, names = flat[0].get_legend_handles_labels()
        handles[names.index("gap")] = (shade, lines)  # type: ignore[call-overload]
        drawn.legend(handles, names, loc="outside upper center", ncols=3)
    rest = f" {left_out} more {'arm is' if left_out == 1 else 'arms are'} not shown." if left_out else ""
    alt = f"{name.capitalize()} by epoch, mean and 95 % interval over seeds, the gap hatched. {'; '.join(told)}.{rest}"
    title = f"Training and validation {name} by epoch, with 95 % intervals{of_all(len(arms), len(arms) + left_out)}"
    return Picture(f"curves-{measure.metric.replace('_', '-')}", title, alt, drawn, READS)


def _n(seeds: int) -> str:
    """Return `n = 3` with spaces at which no line breaks."""
    return f"n = {seeds}".replace(" ", "\N{NO-BREAK SPACE}")


def _late(parts: Mapping[str, Floats]) -> list[Floats]:
    """Return the means over seeds without the first fifth of training, whose steep change would dominate the axis."""
    return [values.mean(0)[values.shape[1] // 5 :] for values in parts.values()]


def _focus(axes: Axes, lines: Sequence[Floats], scale: float) -> None:
    """Set an axis, shared by all panels, on which the end of training and the gap there can be seen."""
    low, high = min(line.min() for line in lines) * scale, max(line.max() for line in lines) * scale
    if math.isfinite(low) and math.isfinite(high) and high > low:
        air = 0.12 * (high - low)
        axes.set_ylim(low - air, high + air)

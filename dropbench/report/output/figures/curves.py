"""Training and validation curves: means over seeds with intervals, the gap between them shaded; a panel an arm."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from dropbench.report.output.figures.bands import bands
from dropbench.report.output.figures.picture import Picture
from dropbench.report.output.figures.scale import axis, factor
from dropbench.report.output.figures.style import BLUE, GREY, VERMILLION, folded, look, panels, plain_grid, some
from dropbench.report.records.history import columns
from dropbench.report.records.measures import LEADING, base, level, spoken

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from dropbench.report.assemble import Comparison

    Floats = NDArray[np.float64]

MOST = 12
"""Panels."""
_PARTS = (("train", BLUE, "-", "o"), ("val", VERMILLION, (0, (4, 1.5)), "s"))


def draw(comparison: Comparison, histories: Mapping[str, Path]) -> list[Picture]:
    """One for each leading metric and the verdict's that the histories have. histories: {run id: history.csv}."""
    runs = comparison.runs[comparison.runs["status"] == "completed"]
    labels = [a.label for a in comparison.arms if (runs["label"] == a.label).any()]
    shown = some(labels, comparison.baseline, [c.chosen for c in comparison.choices], MOST)
    stored = {
        label: [
            columns(histories[run]) for run in runs.loc[runs["label"] == label, "run_id"].tolist() if run in histories
        ]
        for label in shown
    }
    wanted = dict.fromkeys([*LEADING, *([base(comparison.measure)] if comparison.measure else [])])
    found = []
    for metric in wanted:
        # Two epochs make a line; an arm without them leaves the others' panels as they are.
        arms = {
            label: parts
            for label, tables in stored.items()
            if (parts := _both(tables, metric)) is not None and len(parts[0]) > 1
        }
        if arms:
            found.append(_picture(metric, arms, len(labels) - len(arms)))
    return found


def _both(tables: Sequence[Mapping[str, Sequence[float]]], metric: str) -> tuple[Floats, dict[str, Floats]] | None:
    """(epochs [m], {part: [n, m]}) of the epochs in which every run that has this metric was evaluated."""
    import numpy as np

    names = [f"{part}_{metric}" for part, *_ in _PARTS]
    have = [t for t in tables if all(name in t for name in names)]
    if not have:
        return None
    by_epoch = [{int(e): i for i, e in enumerate(t["epoch"]) if all(np.isfinite(t[n][i]) for n in names)} for t in have]
    common = sorted(set.intersection(*(set(places) for places in by_epoch)))
    parts = {
        part: np.array(
            [[t[f"{part}_{metric}"][places[e]] for e in common] for t, places in zip(have, by_epoch, strict=True)]
        )
        for part, *_ in _PARTS
    }
    return np.array(common), parts


def _picture(metric: str, arms: Mapping[str, tuple[Floats, dict[str, Floats]]], left_out: int) -> Picture:
    scale, write = factor(f"val_{metric}"), level(f"val_{metric}")
    from matplotlib.ticker import MaxNLocator

    told = []
    with look():
        drawn, flat = panels(len(arms), 2.2, across=3)
        for axes, (label, (at, parts)) in zip(flat, arms.items(), strict=True):
            means = {part: values.mean(0) for part, values in parts.items()}
            gap = (at, scale * means["train"], scale * means["val"])
            # In two layers: a hatched area with a transparent face is written to SVG without its hatch.
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
            axes.set_title(f"{folded(label)} (n = {len(parts['train'])})")
            axes.xaxis.set_major_locator(MaxNLocator(5, integer=True))
            plain_grid(axes)
            ends = " and ".join(f"{write(means[p][-1])} {w}" for p, w in (("train", "training"), ("val", "validation")))
            told.append(f"{label}, epoch {int(at[-1])}: {ends}")
        drawn.supxlabel("epoch (bands: 95 % interval of the mean over seeds)", fontsize=9)
        drawn.supylabel(axis(f"x_{metric}").removeprefix("x "), fontsize=9)
        handles, names = flat[0].get_legend_handles_labels()
        handles[names.index("gap")] = (shade, lines)  # type: ignore[call-overload]
        drawn.legend(handles, names, loc="outside upper center", ncols=3)
    word = spoken(f"x_{metric}").removeprefix("x ")
    rest = f" {left_out} more {'arm is' if left_out == 1 else 'arms are'} not shown." if left_out else ""
    alt = f"{word.capitalize()} by epoch, mean and 95 % interval over seeds, the gap hatched. {'; '.join(told)}.{rest}"
    return Picture(
        f"curves-{metric.replace('_', '-')}",
        f"Training and validation {word} by epoch, with 95 % intervals",
        alt,
        drawn,
    )

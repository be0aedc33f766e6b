"""Seed by seed: the baseline's and the arm's score under the same seed, joined by a line, to show how many seeds agree."""

from __future__ import annotations

from dropbench.report.output.figures import style
from dropbench.report.output.figures.picture import Picture
from dropbench.report.records.scores import Scores
from dropbench.report.tables.comparison import Comparison

MOST = 12
"""The most panels: more cannot be told apart."""


def draw(comparison: Comparison) -> Picture | None:
    """Draw the pairs of scores; None without a baseline, or if no arm shares a seed with it."""
    measure, baseline = comparison.measure, comparison.baseline
    if measure is None or baseline is None:
        return None
    scores = {label: comparison.scores(label, measure) for label in comparison.labels}
    both = {label: _both(scores[label], scores[baseline], measure.scale) for label in comparison.others}
    labels = [label for label, pairs in both.items() if pairs]
    shown = style.some(labels, None, [c.chosen for c in comparison.choices], MOST)
    if not shown:
        return None
    sign = measure.direction or 1
    told = []
    with style.look():
        drawn, flat = style.panels(len(shown), 2.5, across=4, same_x=False)
        for axes, label in zip(flat, shown, strict=True):
            for ours, theirs in both[label]:
                worse = sign * (ours - theirs) < 0
                colour, line = (style.VERMILLION, (0, (3, 2))) if worse else (style.BLUE, "-")
                if ours == theirs:
                    colour = style.GREY
                axes.plot([0, 1], [theirs, ours], color=colour, linestyle=line, linewidth=1, zorder=2)
                axes.plot([0, 1], [theirs, ours], "x" if worse else "o", color=colour, markersize=4, zorder=3)
            means = [sum(side) / len(side) for side in zip(*both[label], strict=True)]
            axes.plot(
                [0, 1], means[::-1], "D-", color=style.INK, mfc=style.PAPER, linewidth=2.2, markersize=6, zorder=4
            )
            axes.set_xticks([0, 1], [style.folded(baseline, 12), style.folded(label, 12)])
            axes.set_xlim(-0.3, 1.3)
            style.plain_grid(axes)
            up = sum(sign * (ours - theirs) > 0 for ours, theirs in both[label])
            worse_seeds = sum(sign * (ours - theirs) < 0 for ours, theirs in both[label])
            words = ("better", "worse") if measure.direction else ("higher", "lower")
            told.append(f"{label} {words[0]} under {up} of {len(both[label])} seeds, {words[1]} under {worse_seeds}")
            axes.set_title(f"{up} of {len(both[label])} {words[0]}")
        drawn.supxlabel("one line per seed", fontsize="medium")
        drawn.supylabel(measure.axis, fontsize="medium")
        keys = [
            style.Line2D([], [], color=style.BLUE, marker="o", markersize=4, linewidth=1, label=words[0]),
            style.Line2D([], [], color=style.VERMILLION, marker="x", ls=(0, (3, 2)), ms=4, lw=1, label=words[1]),
            style.Line2D([], [], color=style.GREY, marker="o", markersize=4, linewidth=1, label="the same"),
            style.Line2D([], [], color=style.INK, marker="D", mfc=style.PAPER, linewidth=2.2, label="mean"),
        ]
        drawn.legend(handles=keys, loc="outside upper center", ncols=2 if style.narrow() else 4)
    rest = f" {len(labels) - len(shown)} more arms are not shown." if len(labels) > len(shown) else ""
    alt = (
        f"Paired dots: {measure.spoken} of {baseline} and of each arm under the same seed, joined; solid where the arm is "
        f"{words[0]}, dashed where it is {words[1]}, diamonds the means. {'; '.join(told)}.{rest}"
    )
    title = f"Seed by seed against {baseline}{style.of_all(len(shown), len(labels))}"
    reads = f"A line joins the {measure.spoken} of {baseline} and of the arm under one seed; diamonds are means."
    return Picture("pairs", title, alt, drawn, reads)


def _both(arm: Scores, baseline: Scores, scale: float) -> list[tuple[float, float]]:
    """Return the scores (arm, baseline) under the seeds for which both have one, in the order of the seeds."""
    pairs = [(scale * arm[seed], scale * baseline[seed]) for seed in sorted(arm.keys() & baseline.keys())]
    return [(ours, theirs) for ours, theirs in pairs if ours == ours and theirs == theirs]

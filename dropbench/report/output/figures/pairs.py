"""Seed by seed: the baseline's and the arm's score under the same seed, to show how many seeds agree.

Few seeds are two dots joined by a line. Many such lines would hide each other, so of many seeds the differences are drawn,
sorted by size.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from dropbench.report.output.breaks import folded
from dropbench.report.output.figures import style
from dropbench.report.output.figures.picture import Picture
from dropbench.report.records.measures import Measure
from dropbench.report.records.scores import Scores
from dropbench.report.tables.comparison import Comparison

MOST = 12
"""The most panels: more cannot be told apart."""
LINES = 30
"""The most seeds that are drawn as lines."""
_LOOK = {1: (style.BLUE, "-", "o"), -1: (style.VERMILLION, (0, (3, 2)), "x"), 0: (style.GREY, "-", "o")}
"""Colour, line and marker of a seed under which the arm is better, worse, or the same."""
_Pairs = Sequence[tuple[float, float]]
"""The scores (arm, baseline) of each seed, in the unit shown."""


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
    pairs = {label: both[label] for label in shown}
    title = f"Seed by seed against {baseline}{style.of_all(len(shown), len(labels))}"
    rest = f" {len(labels) - len(shown)} more arms are not shown." if len(labels) > len(shown) else ""
    draws = _sorted if max(map(len, pairs.values())) > LINES else _joined
    drawn, alt, reads = draws(pairs, baseline, measure)
    return Picture("pairs", title, f"{alt}{rest}", drawn, reads)


def _joined(pairs: Mapping[str, _Pairs], baseline: str, measure: Measure) -> tuple[style.Figure, str, str]:
    """Draw a line for each seed; return the figure, what it shows, and how to read it."""
    kinds = set()
    with style.look():
        drawn, flat = style.panels(len(pairs), 2.5, across=4, same_x=False)
        for axes, (label, both) in zip(flat, pairs.items(), strict=True):
            for ours, theirs in both:
                kinds.add(kind := _kind(ours - theirs, measure))
                colour, line, marker = _LOOK[kind]
                axes.plot([0, 1], [theirs, ours], color=colour, linestyle=line, linewidth=1, zorder=2)
                axes.plot([0, 1], [theirs, ours], marker, color=colour, markersize=4, zorder=3)
            means = [sum(side) / len(side) for side in zip(*both, strict=True)]
            axes.plot(
                [0, 1], means[::-1], "D-", color=style.INK, mfc=style.PAPER, linewidth=2.2, markersize=6, zorder=4
            )
            axes.set_xticks([0, 1], [folded(baseline, 12), folded(label, 12)])
            axes.set_xlim(-0.3, 1.3)
            style.plain_grid(axes)
            axes.set_title(_ahead(both, measure))
        drawn.supxlabel("one line per seed", fontsize="medium")
        drawn.supylabel(measure.axis, fontsize="medium")
        keys = [
            style.Line2D([], [], color=colour, marker=marker, ls=line, ms=4, lw=1, label=_words(measure)[kind])
            for kind, (colour, line, marker) in _LOOK.items()
            if kind in kinds
        ]
        keys.append(style.Line2D([], [], color=style.INK, marker="D", mfc=style.PAPER, linewidth=2.2, label="mean"))
        drawn.legend(handles=keys, loc="outside upper center", ncols=2 if style.narrow() else 4)
    better, worse, _ = _words(measure).values()
    alt = (
        f"Paired dots: {measure.spoken} of {baseline} and of each arm under the same seed, joined; solid where the arm is "
        f"{better}, dashed where it is {worse}, diamonds the means. {_told(pairs, measure)}."
    )
    reads = f"A line joins the {measure.spoken} of {baseline} and of the arm under one seed; diamonds are means."
    return drawn, alt, reads


def _sorted(pairs: Mapping[str, _Pairs], baseline: str, measure: Measure) -> tuple[style.Figure, str, str]:
    """Draw the differences of each arm from the smallest to the largest; return the same as `_joined`."""
    kinds = set()
    unit = measure.points or measure.declared.unit
    with style.look():
        drawn, flat = style.panels(len(pairs), 2.5, across=3)
        for axes, (label, both) in zip(flat, pairs.items(), strict=True):
            values = sorted(ours - theirs for ours, theirs in both)
            for kind in _LOOK:
                own = [(i, v) for i, v in enumerate(values, 1) if _kind(v, measure) == kind]
                if own:
                    kinds.add(kind)
                    axes.bar([i for i, _ in own], [v for _, v in own], 1.0, color=_LOOK[kind][0], linewidth=0, zorder=2)
            axes.axhline(0, color=style.INK, linewidth=0.8, zorder=3)
            axes.axhline(sum(values) / len(values), color=style.INK, linestyle=(0, (4, 2)), linewidth=1.4, zorder=4)
            style.whole_ticks(axes, 4)
            style.plain_grid(axes)
            axes.set_title(f"{folded(label, style.ACROSS)}\n{_ahead(both, measure)}")
        drawn.supxlabel("seeds, sorted by their difference", fontsize="medium")
        drawn.supylabel(f"{measure.spoken}\nminus that of {baseline}{f', {unit}' if unit else ''}", fontsize="medium")
        # Of differences of 0 there is no bar to see.
        keys: list[style.Patch | style.Line2D] = [
            style.Patch(color=_LOOK[kind][0], linewidth=0, label=_words(measure)[kind])
            for kind in _LOOK
            if kind in kinds - {0}
        ]
        keys.append(style.Line2D([], [], color=style.INK, linestyle=(0, (4, 2)), linewidth=1.4, label="mean"))
        drawn.legend(handles=keys, loc="outside upper center", ncols=4)
    alt = (
        f"Bars: {measure.spoken} of each arm minus that of {baseline} under the same seed, sorted from the smallest to the "
        f"largest; dashed lines are means. {_told(pairs, measure)}."
    )
    reads = f"A bar is the {measure.spoken} of the arm minus that of {baseline} under one seed; dashed lines are means."
    return drawn, alt, reads


def _kind(difference: float, measure: Measure) -> int:
    """Return 1 if the arm is better (or higher, if neither direction is better), -1 if it is worse, 0 if they are equal."""
    signed = (measure.direction or 1) * difference
    return (signed > 0) - (signed < 0)


def _words(measure: Measure) -> dict[int, str]:
    better, worse = ("better", "worse") if measure.direction else ("higher", "lower")
    return {1: better, -1: worse, 0: "the same"}


def _ahead(both: _Pairs, measure: Measure) -> str:
    up = sum(_kind(ours - theirs, measure) > 0 for ours, theirs in both)
    return f"{up} of {len(both)} {_words(measure)[1]}"


def _told(pairs: Mapping[str, _Pairs], measure: Measure) -> str:
    """Say of each arm under how many seeds it is better, and worse."""
    better, worse, _ = _words(measure).values()
    downs = {label: sum(_kind(a - b, measure) < 0 for a, b in both) for label, both in pairs.items()}
    ups = {label: sum(_kind(a - b, measure) > 0 for a, b in both) for label, both in pairs.items()}
    return "; ".join(
        f"{label} {better} under {ups[label]} of {len(both)} seeds, {worse} under {downs[label]}"
        for label, both in pairs.items()
    )


def _both(arm: Scores, baseline: Scores, scale: float) -> list[tuple[float, float]]:
    """Return the scores (arm, baseline) under the seeds for which both have one, in the order of the seeds."""
    pairs = [(scale * arm[seed], scale * baseline[seed]) for seed in sorted(arm.keys() & baseline.keys())]
    return [(ours, theirs) for ours, theirs in pairs if ours == ours and theirs == theirs]

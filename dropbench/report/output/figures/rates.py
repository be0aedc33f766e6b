"""Rate curve: the validation score by strength, which shows how a regularizer helps up to a point and then harms.

Paired: the difference from the baseline is taken under each seed first, so that variation that seeds share is in no band.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from dropbench.report.output.figures.picture import Picture, slug
from dropbench.report.output.figures.style import (
    GREY,
    INK,
    MARKS,
    PAPER,
    Axes,
    figure,
    legend_columns,
    look,
    plain_grid,
)
from dropbench.report.records.measures import Measure
from dropbench.report.records.scores import Floats
from dropbench.report.statistics.interval import Interval, interval
from dropbench.report.tables.comparison import Comparison
from dropbench.report.tables.families import RATE
from dropbench.report.tables.selection import Choice
from dropbench.values import number

LEAST = 3
"""The fewest strengths of a curve: fewer would show a bend that nobody measured."""
_ASIDE = 0.006
_WIDE = 30
"""The ratio of largest to smallest strength from which on the axis is logarithmic."""
Points = list[tuple[float, float, Interval]]


def draw(comparison: Comparison) -> list[Picture]:
    """Draw one picture for each strength with three values or more.

    It shows validation scores, by which strengths were chosen, and never the test scores of strengths that were not chosen.
    """
    found = []
    for key in dict.fromkeys(c.strengths for c in comparison.choices):
        curves = [
            (c, points)
            for c in comparison.choices
            if c.strengths == key and len(key) == 1 and len(points := _points(comparison, c)) >= LEAST
        ]
        if curves:
            found.append(_picture(comparison, key[0], curves))
    return found


def _picture(comparison: Comparison, key: str, curves: Sequence[tuple[Choice, Points]]) -> Picture:
    rule = curves[0][0].rule
    word = "rate" if key == RATE else key.removeprefix("regularizer.")
    with look():
        drawn = figure(3.4)
        axes = drawn.subplots()
        told = [
            _curve(axes, comparison, place, len(curves), choice, points)
            for place, (choice, points) in enumerate(curves)
        ]
        starred = not all(choice.idle for choice, _ in curves)
        if starred:
            label = f"chosen {'rate' if key == RATE else 'strength'}"
            axes.plot([], [], "*", color=PAPER, mec=INK, mew=0.9, markersize=12, linestyle="none", label=label)
        told += _baseline(axes, comparison, rule)
        strengths = [size for _, points in curves for size, _, _ in points]
        if key != RATE and min(strengths) > 0 and max(strengths) >= _WIDE * min(strengths):
            axes.set_xscale("log")
        axes.set_xlabel(f"{word} (bands: 95 % interval of the mean over seeds)")
        axes.set_ylabel(_axis(comparison, rule))
        plain_grid(axes)
        drawn.legend(loc="outside upper center", ncols=legend_columns(axes.get_legend_handles_labels()[1]))
    minus = f" minus that of {comparison.baseline}, seed by seed," if comparison.baseline else ""
    alt = f"{rule.spoken.capitalize()}{minus} by {word}, mean and 95 % interval over seeds. {'. '.join(told)}."
    name = "rates" if key == RATE else f"strengths-{slug(word)}"
    title = (
        f"{rule.spoken.capitalize()}{f' against {comparison.baseline}' if minus else ''} by {word}, with 95 % intervals"
    )
    stars = ", and stars the best means, which were chosen" if starred else ""
    reads = f"Lines are means over seeds, bands{' are' * (not starred)} 95 % intervals of them{stars}."
    return Picture(name, title, alt, drawn, reads)


def _axis(comparison: Comparison, rule: Measure) -> str:
    if comparison.baseline is None:
        return rule.axis
    unit = rule.points or rule.declared.unit
    return f"{rule.spoken} minus that of\n{comparison.baseline}{f', {unit}' if unit else ''}"


def _curve(axes: Axes, comparison: Comparison, place: int, of: int, choice: Choice, points: Points) -> str:
    """Draw one curve, and return its numbers in words."""
    scale, mark = choice.rule.scale, MARKS[place % len(MARKS)]
    write = choice.rule.difference if comparison.baseline else choice.rule.level
    aside = (
        (place - (of - 1) / 2) * _ASIDE * (choice.strengths == (RATE,))
    )  # so that variants with similar scores hide each other less
    x, means = [size + aside for size, _, _ in points], [scale * m for _, m, _ in points]
    low, high = ([scale * getattr(i, side) for _, _, i in points] for side in ("low", "high"))
    axes.fill_between(x, low, high, color=mark.colour, alpha=0.15, linewidth=0, zorder=1)
    axes.vlines(x, low, high, color=mark.colour, linewidth=1.2, zorder=2)
    axes.plot(x, means, color=mark.colour, linestyle=mark.line, marker=mark.marker, label=choice.variant, zorder=3)
    best = choice.chosen
    if not choice.idle:
        size, mean, _ = max(points, key=lambda point: choice.rule.direction * point[1])
        axes.plot(size + aside, scale * mean, "*", color=mark.colour, mec=INK, mew=0.9, markersize=13, zorder=5)
        best = f"{size:g}"
    return f"{choice.variant}: {', '.join(f'{write(m)} at {size:g}' for size, m, _ in points)}; chosen {best}"


def _baseline(axes: Axes, comparison: Comparison, rule: Measure) -> list[str]:
    """Draw the baseline, if there is one, as the line at 0 with the region of no difference, and return words for it."""
    if comparison.baseline is None:
        return []
    axes.axhline(0.0, color=INK, linewidth=1.2, linestyle=(0, (2, 2)), label=comparison.baseline)
    region = comparison.region(rule)
    if not math.isfinite(region):
        return []
    axes.axhspan(-region * rule.scale, region * rule.scale, facecolor=GREY, alpha=0.22, linewidth=0, zorder=0)
    return [f"Shaded: ±{rule.size(region)}, no difference that matters"]


def _points(comparison: Comparison, choice: Choice) -> Points:
    """Return (strength, mean, interval) over the seeds that chose, sorted by strength.

    Only arms with a single number as their strength are included. The baseline is not, because it has a line of its own.
    """
    runs, key = comparison.runs, choice.strengths[0]
    found: dict[float, tuple[float, Interval]] = {}
    for label in (label for label in choice.of if label != comparison.baseline):
        row = runs[runs["label"] == label].iloc[0]
        size = number(row.get(key))
        values = _of_arm(comparison, label, choice.rule, choice.seeds)
        by_site = key == RATE and row.get("dropout.rates")
        if size is None or math.isnan(size) or by_site or values is None:
            continue
        found[size] = (float(values.mean()), interval(values))
    return [(size, *found[size]) for size in sorted(found)]


def _of_arm(comparison: Comparison, label: str, measure: Measure, seeds: tuple[int, ...]) -> Floats | None:
    """Return an arm's scores by seed, minus the baseline's if there is one; None if there are none or some are infinite."""
    scores = comparison.scores(label, measure)
    base = comparison.scores(comparison.baseline, measure) if comparison.baseline else dict.fromkeys(scores, 0.0)
    values = np.array([scores[s] - base[s] for s in sorted(seeds) if s in scores and s in base])
    values = values[~np.isnan(values)]
    return values if len(values) and np.isfinite(values).all() else None

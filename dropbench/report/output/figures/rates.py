"""Rate curve: the score that decides by the rate, the U of a regularizer that helps until it is too much."""

from __future__ import annotations

import math

import numpy as np

from dropbench.report.output.figures.picture import Picture
from dropbench.report.output.figures.style import GREY, INK, MARKS, PAPER, figure, look, plain_grid
from dropbench.report.records.measures import Measure
from dropbench.report.records.scores import Floats
from dropbench.report.statistics.interval import Interval, interval
from dropbench.report.tables.comparison import Comparison
from dropbench.report.tables.selection import Choice
from dropbench.values import number

LEAST = 3
"""Rates: a curve through fewer would show a bend that nobody measured."""
_ASIDE = 0.006


def draw(comparison: Comparison) -> Picture | None:
    """Validation scores, which chose; never the test scores of rates that were not chosen. None with fewer than three rates."""
    curves = {c.variant: points for c in comparison.choices if len(points := _points(comparison, c)) >= LEAST}
    if not curves:
        return None
    rule = comparison.choices[0].rule
    scale, write = rule.scale, rule.level
    chosen = {c.variant: c for c in comparison.choices if c.variant in curves}
    told = []
    with look():
        drawn = figure(3.4)
        axes = drawn.subplots()
        for place, (variant, points) in enumerate(curves.items()):
            mark = MARKS[place % len(MARKS)]
            aside = (place - (len(curves) - 1) / 2) * _ASIDE  # so that variants that do alike hide one another less
            x, means = [rate + aside for rate, _, _ in points], [scale * m for _, m, _ in points]
            low, high = ([scale * getattr(i, side) for _, _, i in points] for side in ("low", "high"))
            axes.fill_between(x, low, high, color=mark.colour, alpha=0.15, linewidth=0, zorder=1)
            axes.vlines(x, low, high, color=mark.colour, linewidth=1.2, zorder=2)
            axes.plot(x, means, color=mark.colour, linestyle=mark.line, marker=mark.marker, label=variant, zorder=3)
            best = chosen[variant].chosen
            if not chosen[variant].idle:
                rate, mean, _ = min(points, key=lambda point: abs(point[1] - chosen[variant].score))
                x_star, y_star = rate + aside, scale * mean
                axes.plot(x_star, y_star, "*", color=mark.colour, mec=INK, mew=0.9, markersize=13, zorder=5)
                best = f"{rate:g}"
            told.append(f"{variant}: {', '.join(f'{write(m)} at {rate:g}' for rate, m, _ in points)}; chosen {best}")
        axes.plot([], [], "*", color=PAPER, mec=INK, mew=0.9, markersize=12, linestyle="none", label="chosen rate")
        seeds = tuple({seed for choice in chosen.values() for seed in choice.seeds})
        if (base := _of_arm(comparison, comparison.baseline, rule, seeds)) is not None:
            mean, band = float(base.mean()), interval(base)
            axes.axhline(scale * mean, color=INK, linewidth=1.2, linestyle=(0, (2, 2)), label=comparison.baseline)
            axes.axhspan(scale * band.low, scale * band.high, facecolor=GREY, alpha=0.18, linewidth=0, zorder=0)
            for edge in (band.low, band.high):
                axes.axhline(scale * edge, color=INK, linewidth=0.6, linestyle=":", zorder=1)
            told.append(f"{comparison.baseline}: {write(mean)}")
        axes.set_xlabel("rate (bands: 95 % interval of the mean over seeds)")
        axes.set_ylabel(rule.axis)
        plain_grid(axes)
        drawn.legend(loc="outside upper center", ncols=4)
    alt = f"{rule.spoken.capitalize()} by rate, mean and 95 % interval over seeds. {'. '.join(told)}."
    return Picture("rates", f"{rule.spoken.capitalize()} by rate, with 95 % intervals", alt, drawn)


def _points(comparison: Comparison, choice: Choice) -> list[tuple[float, float, Interval]]:
    """(rate, mean, interval) over the seeds that chose, by rate; of the arms that are told apart by one rate.

    But for the baseline, which has a line of its own.
    """
    runs = comparison.runs
    by_rate: dict[float, tuple[float, Interval]] = {}
    for label in (label for label in choice.of if label != comparison.baseline):
        row = runs[runs["label"] == label].iloc[0]
        rate = number(row.get("dropout.rate"))
        values = _of_arm(comparison, label, choice.rule, choice.seeds)
        if rate is None or math.isnan(rate) or row.get("dropout.rates") or values is None:
            continue
        by_rate[rate] = (float(values.mean()), interval(values))
    return [(rate, *by_rate[rate]) for rate in sorted(by_rate)]


def _of_arm(comparison: Comparison, label: str | None, measure: Measure, seeds: tuple[int, ...]) -> Floats | None:
    """An arm's scores, by seed; None where it has none that are numbers."""
    scores = comparison.scores(label or "", measure)
    values = np.array([v for s in sorted(seeds) if (v := scores.get(s, math.nan)) == v])
    return values if len(values) and np.isfinite(values).all() else None

"""Interactions and trends as contrasts: weighted sums of the arms' scores."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from itertools import product
from shlex import join
from typing import Literal

from dropbench.errors import UsageError
from dropbench.report.records.measures import Measure
from dropbench.report.statistics.grammar import Arm, Node, Number, Operation, Score
from dropbench.report.tables.arms import belongs_to_arm
from dropbench.report.tables.factors import Factors, Series
from dropbench.values import order

Named = list[tuple[str, Node]]
FOLD = 4
"""If the largest value of a key is at least this many times its smallest, a trend is per doubling."""
DIGITS = 12
"""Decimals of a weight, so that it prints without rounding errors."""
SPOKEN = 5
"""Up to this many values of a key, all are named."""


def interactions(
    factors: Factors, keys: tuple[str, str], baselines: Sequence[str], measure: Measure
) -> tuple[Named, list[str]]:
    """Return the interaction for each pair of levels other than the first level of each key, and notes.

    It is (both − the second alone) − (the first alone − neither): the difference of differences under one seed.

    Parameters
    ----------
    baselines : sequence
        Labels of the baselines. If all have the same level of a key, that is the key's first level; else the smallest is.

    Raises
    ------
    UsageError
        If the two keys do not distinguish the arms, or if no four arms have the four combinations of two levels each.
    """
    factors = factors.apart(*keys)
    ours, theirs = (factors.levels(key) for key in keys)
    cells = _cells(factors, keys, ours, theirs)
    firsts, seconds = _ordered(ours, baselines), _ordered(theirs, baselines)
    for key, levels in zip(keys, (firsts, seconds), strict=True):
        if len(levels) < 2:
            raise UsageError(
                f"--interaction {','.join(keys)}: {key} is {levels[0]} in all arms, so it interacts with nothing"
            )
    named: Named = []
    missing = []
    for a, b in product(firsts[1:], seconds[1:]):
        square = [(a, b), (firsts[0], b), (a, seconds[0]), (firsts[0], seconds[0])]
        if all(cell in cells for cell in square):
            both, second, first, neither = (_score(cells[cell], measure) for cell in square)
            node = Operation("-", Operation("-", both, second), Operation("-", first, neither))
            named.append((f"{keys[0]}={a} × {keys[1]}={b}", node))
        else:
            missing.append(f"{keys[0]}={a} × {keys[1]}={b}")
    if not named:
        raise UsageError(
            f"--interaction {','.join(keys)}: no four arms combine two levels of each key; train them as a grid, as in "
            f"{join(['dropbench', 'sweep', _typed(keys[0], firsts[:2]), _typed(keys[1], seconds[:2])])}"
        )
    notes = [
        f"{keys[0]} × {keys[1]}: by how much {measure.spoken} differs from the sum of the two separate effects, compared with "
        f"{keys[0]}={firsts[0]} and {keys[1]}={seconds[0]}: under each seed a difference of two differences. Better: together "
        "they do better than this sum."
    ]
    return named, notes + [f"Left out, because arms are missing: {'; '.join(missing)}."] * bool(missing)


def trends(factors: Factors, key: str, baselines: Sequence[str], measure: Measure) -> tuple[Named, list[str]]:
    """Return, for each set of arms that differ only in a numeric key, the least-squares slope of arm minus baseline, and notes.

    The slope is per doubling if the key is above 0 and spans a factor of four or more; else it is the change from the smallest
    value to the largest. Either way it is in the measure's unit, so the region of equivalence has its usual meaning.

    Raises UsageError if the key is not a number, or if no baseline goes with the arms.
    """
    if not baselines:
        raise UsageError(f"--trend {key}: there is no baseline to compare with; name one with --baseline")
    named: Named = []
    spans = dict[str, None]()
    for series in factors.series(key):
        arms = series.labels
        if not set(arms) <= set(baselines):
            weights, per = _weights(series.sizes())
            beside = _baselines(factors, series, baselines)
            name = f"{series.name} − {_name(factors, key, beside)}, {per.format(key=key)}"
            named.append((name, _sum(weights, arms, beside, measure)))
            values = list(series.levels.values())
            spans[", ".join(values if len(values) <= SPOKEN else [*values[:2], "...", values[-1]])] = None
    if not named:
        raise UsageError(f"--trend {key}: only baselines differ in it alone, so no arm can be compared with them")
    said = f"Trend over {key}: the slope of the difference from the baseline in {measure.spoken}"
    return named, [
        f"{said}, by least squares under each seed; {key} is {' or '.join(spans)}. Better: the arm gains on the "
        f"baseline as {key} grows."
    ]


def _typed(key: str, levels: Sequence[str]) -> str:
    """Return the override that sweeps over these levels; an option such as `standard 0.4` is given by its name alone."""
    return f"{key}={','.join(dict.fromkeys(level if '.' in key else level.partition(' ')[0] for level in levels))}"


def _cells(
    factors: Factors, keys: tuple[str, str], ours: Mapping[str, str], theirs: Mapping[str, str]
) -> dict[tuple[str, str], str]:
    """Return the arm of each cell; raise UsageError if a cell has several, or if another key varies over the cells."""
    both = {label: f"{ours[label]} {keys[1]}={theirs[label]}" for label in factors.rows}
    labels = factors.one_a_level([*factors.rows], both, keys[0])
    for key in factors.differing(labels, *keys):
        if not (factors.follows(key, labels, ours) or factors.follows(key, labels, theirs)):
            raise UsageError(
                f"--interaction {','.join(keys)}: {key} varies too, independently of both; choose by a filter, as in {key}=..."
            )
    return {(ours[label], theirs[label]): label for label in labels}


def _ordered(levels: Mapping[str, str], baselines: Sequence[str]) -> list[str]:
    """Return all levels in order, but the baselines' level first if they all have the same."""
    base = {levels[label] for label in baselines}
    found = sorted(set(levels.values()), key=order)
    return sorted(found, key=lambda level: level not in base) if len(base) == 1 else found


def _weights(sizes: Sequence[float]) -> tuple[list[float], str]:
    """Return each arm's weight in the slope, and the slope's unit in words."""
    low, high = min(sizes), max(sizes)
    doublings = low > 0 and high >= FOLD * low
    x = [math.log2(size) if doublings else (size - low) / (high - low) for size in sizes]
    mean = math.fsum(x) / len(x)
    spread = math.fsum((v - mean) ** 2 for v in x)
    per = "per doubling of {key}" if doublings else f"over {{key}} from {low:g} to {high:g}"
    return [round((v - mean) / spread, DIGITS) for v in x], per


def _baselines(factors: Factors, series: Series, baselines: Sequence[str]) -> list[str]:
    """Return the baseline of each arm: equal except for regularizers, and at the arm's level if the baselines' levels vary."""
    levels, found = factors.levels(series.key), []
    varies = len({levels[b] for b in baselines}) > 1
    for arm in series.labels:
        near = [b for b in baselines if not varies or levels[b] == levels[arm]]
        alike = [b for b in near if all(map(belongs_to_arm, factors.differing([arm, b], series.key)))]
        if len(alike) != 1:
            there = f"{len(alike)} baselines match" if alike else "no baseline matches"
            raise UsageError(f"--trend {series.key}: {there} '{arm}'; name one with --baseline, or choose by a filter")
        found += alike
    return found


def _name(factors: Factors, key: str, baselines: Sequence[str]) -> str:
    levels = factors.levels(key)
    return baselines[0].replace(f" {key}={levels[baselines[0]]}", "")


def _sum(weights: Sequence[float], arms: Sequence[str], baselines: Sequence[str], measure: Measure) -> Node:
    """Return the weighted sum, the largest weight first, so that `better` refers to a growing difference; 0 is left out."""
    terms = sorted(zip(weights, arms, baselines, strict=True), key=lambda term: -term[0])
    whole: Node | None = None
    for weight, arm, baseline in terms:
        if weight and arm != baseline:
            ours, theirs = _score(arm, measure), _score(baseline, measure)
            if whole is None and weight < 0:  # all above are baselines
                weight, ours, theirs = -weight, theirs, ours
            effect = Operation("*", Number(abs(weight)), Operation("-", ours, theirs))
            sign: Literal["+", "-"] = "+" if weight > 0 else "-"
            whole = effect if whole is None else Operation(sign, whole, effect)
    assert whole is not None  # two sizes and more have two weights that are not 0, and one arm is no baseline
    return whole


def _score(label: str, measure: Measure) -> Score:
    return Score(Arm(label), str(measure))

"""Standard errors of an expression that hold for other test examples too, computed from the stored predictions of runs.

An expression turns scores into one value per seed, and a score is a mean over test examples. Each example therefore contributes
its own score times the derivative of the value by the mean score (the delta method; exact for sums and differences).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from dropbench.report.records.measures import Measure
from dropbench.report.records.said import Examples, Said, Untold
from dropbench.report.records.scores import Floats, Scores, ScoresOf
from dropbench.report.statistics.contrast import Expression, Minus
from dropbench.report.statistics.two_way import Differences, Error, error

RunsOf = Callable[[str], Mapping[int, str]]
"""A function from an arm's label to the ids of its completed runs by seed."""
_STEP = 1e-6
_Moves = Mapping[tuple[str, Measure], Scores]
"""By label and measure, and then by seed: the derivative of the expression by that score."""


@dataclass(frozen=True)
class Widening:
    """The standard errors of one expression and the test examples they are computed from.

    Parameters
    ----------
    error : Error
        Its standard errors over seeds, and over seeds and examples.
    examples : int
        The number of distinct test examples of all its seeds.
    readings : int
        The number of test examples summed over seeds.
    one_split : bool
        Whether all seeds test the same examples; more seeds then give no information about other examples.
    """

    error: Error
    examples: int
    readings: int
    one_split: bool


def widening(expression: Expression, scores: ScoresOf, runs: RunsOf, said: Said) -> Widening:
    """Return the standard errors of an expression; raise Untold if only those for the examples that were tested are known."""
    values = {seed: v for seed, v in expression.values(scores).items() if math.isfinite(v)}
    if len(values) < 2:
        raise Untold("its arms share fewer than two seeds")
    moves = _moves(expression, scores)
    stored = {(label, measure): (runs(label), scores(label, measure)) for label, measure in moves}
    by_seed, totals = [], set()
    for seed, value in values.items():
        of_arms = []
        for key, by in moves.items():
            if by.get(seed):
                ids, reached = stored[key]
                of_arms.append((by[seed], said.examples(ids[seed], key[1], reached[seed])))
        totals |= {e.total for _, e in of_arms}
        by_seed.append(_shares(value, of_arms))
    if len(totals) > 1:
        raise Untold("seeds drew their test examples from data of several sizes")
    steps = [abs(m) for (_, measure), by in moves.items() if measure.metric == "accuracy" for m in by.values()]
    splits = {id(d.rows): d.rows for d in by_seed}  # seeds with the same split share one array
    examples = int(np.count_nonzero(np.bincount(np.concatenate([*splits.values()]))))
    readings = sum(len(d.rows) for d in by_seed)
    return Widening(error(by_seed, max(steps, default=0.0)), examples, readings, readings == examples * len(by_seed))


def _shares(value: float, of_arms: list[tuple[float, Examples]]) -> Differences:
    """Return each example's contribution under one seed, with the seed's value as their mean; of_arms: derivatives, scores."""
    if not of_arms:
        raise Untold("it is about how scores vary between seeds, whatever their level")
    rows = of_arms[0][1].rows
    if any(e.rows is not rows and not np.array_equal(e.rows, rows) for _, e in of_arms):
        raise Untold("arms were tested on different examples under the same seed")
    shares: Floats = np.full(len(rows), value)
    for move, examples in of_arms:
        shares += move * (examples.values - examples.mean)
    return Differences(rows, shares)


def _moves(expression: Expression, scores: ScoresOf) -> _Moves:
    """Compute the derivatives by every score that the expression asks for: 1 and -1, or by central differences."""
    if isinstance(expression, Minus) and expression.arm != expression.other:
        seeds = expression.values(scores)
        return {
            (label, expression.measure): dict.fromkeys(seeds, move)
            for label, move in ((expression.arm, 1.0), (expression.other, -1.0))
        }
    asked: dict[tuple[str, Measure], None] = {}

    def recorded(label: str, measure: Measure) -> Scores:
        asked[label, measure] = None
        return scores(label, measure)

    expression.values(recorded)

    def after(step: float, moved: tuple[str, Measure]) -> Scores:
        def shifted(label: str, measure: Measure) -> Scores:
            by = scores(label, measure)
            return {seed: v + step for seed, v in by.items()} if (label, measure) == moved else by

        return expression.values(shifted)

    found = {}
    for key in asked:
        up, down = after(_STEP, key), after(-_STEP, key)
        found[key] = {seed: (up[seed] - down[seed]) / (2 * _STEP) for seed in up.keys() & down.keys()}
    return found

"""The contrasts of one family of expressions, tested together."""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from dropbench.report.records.measures import WHOLE
from dropbench.report.records.scores import Diverged, Floats, ScoresOf
from dropbench.report.statistics import improvement, ranks
from dropbench.report.statistics.contrast import Contrast, Expression
from dropbench.report.statistics.difference import FLIPPED, Difference, agreeing, paired, unpaired
from dropbench.report.statistics.family import Column, Joint, judge
from dropbench.report.statistics.interval import ALPHA, MIN_PAIRS


def _nobody(label: str) -> Collection[int]:
    return ()


def judged(
    expressions: Sequence[Expression],
    scores: ScoresOf,
    region: float,
    diverged: Diverged = _nobody,
    *,
    alpha: float = ALPHA,
    widened: Callable[[Expression], float] = lambda _: 1.0,
    examples: Callable[[Expression], int] = lambda _: 0,
) -> list[Contrast]:
    """Return the contrasts of one family of expressions, in their order; `family` says how they are tested together.

    If seeds diverged or never reached a score, the test uses ranks. Expressions whose arms share no seed are compared as
    independent samples, each at its share of alpha.

    Parameters
    ----------
    expressions : sequence
        The expressions, all on measures with the same unit.
    scores : callable
        A function from an arm's label and a measure to {seed: score}.
    region : float
        Half the width of the region of equivalence, in that unit; NaN if it is not known.
    diverged : callable
        A function from an arm's label to its seeds that diverged; they are the worst by rank if a direction is better.
    alpha : float
        The probability that any of the intervals misses its true value.
    widened : callable
        A function from an expression to how many times wider its interval is than seeds alone would make it, at least 1.
    examples : callable
        A function from an expression to the number of test examples of one seed, if its measure is a share of them; else to 0.
    """
    asked = [_Asked.of(e, scores, diverged, widened(e)) for e in expressions]
    apart = [a for a in asked if not a.seeds]
    together = [a for a in asked if len(a.seeds) >= MIN_PAIRS and a.finite]
    tests = max(1, len(together) + sum(min(map(len, a.samples)) > 1 for a in apart))
    share = len(together) / tests
    seeds = sorted({seed for a in together for seed in a.seeds})
    rows = {seed: row for row, seed in enumerate(seeds)}
    columns = [a.column(rows, region) for a in together]
    found = dict(zip(map(id, together), judge(columns, len(seeds), alpha, share), strict=True))
    contrasts = []
    for a in asked:
        d, side = a.told(found.get(id(a)), region, alpha, tests)
        tested = examples(a.expression)
        d = agreeing(d, 1 / tested, alpha, tests) if tested else d
        contrasts.append(Contrast(a.expression, a.values, d, tests, region, side, tested, alpha))
    return contrasts


@dataclass(frozen=True)
class _Asked:
    """An expression with the results of its arms.

    outcomes: if a seed diverged, how much better the arm did under each seed, with infinite values; else empty.
    lost: the outcomes of seeds without a score. samples, worst: the scores of both sides if they share no seed, and how many
    runs of either side diverged.
    """

    expression: Expression
    values: Mapping[int, float]
    outcomes: Mapping[int, float]
    lost: Mapping[int, float]
    samples: tuple[Floats, Floats]
    worst: tuple[int, int]
    widened: float

    @classmethod
    def of(cls, e: Expression, scores: ScoresOf, diverged: Diverged, widened: float) -> _Asked:
        values, sign = e.values(scores), e.measure.direction
        lost, worst = e.lost(scores, diverged) if sign else ({}, (0, 0))
        # A time to a score that was never reached is infinite and the worst too; two infinite times count as equal.
        never = {s: 0.0 if math.isnan(v) else sign * v for s, v in values.items() if not math.isfinite(v)}
        if never and sign and e.measure.declared.unit in WHOLE:
            lost, values = {**lost, **never}, {s: v for s, v in values.items() if s not in never}
        outcomes = {s: sign * v for s, v in values.items()} | lost if lost else {}
        outcomes = {seed: 0.0 if math.isnan(v) else v for seed, v in outcomes.items()}
        samples = e.samples(scores) if not (values or lost) else (np.zeros(0), np.zeros(0))
        return cls(e, values, outcomes, lost, samples, worst, widened)

    @property
    def seeds(self) -> Collection[int]:
        return self.outcomes.keys() if self.lost else self.values.keys()

    @property
    def finite(self) -> bool:
        return bool(self.lost) or all(map(math.isfinite, self.values.values()))

    def column(self, rows: Mapping[int, int], region: float) -> Column:
        told = self.outcomes if self.lost else self.values
        seeds = sorted(told)
        where, values = np.array([rows[s] for s in seeds]), np.array([told[s] for s in seeds])
        return Column(where, values, region if self.lost else None, 1.0 if self.lost else self.widened)

    def told(self, joint: Joint | None, region: float, alpha: float, tests: int) -> tuple[Difference, int]:
        """Return its Difference and, if seeds diverged, the side of the region on which the ranks lie."""
        sign = self.expression.measure.direction
        if not self.seeds:
            return self._unpaired(region, sign, alpha, tests)
        finished = np.array([self.values[s] for s in sorted(self.values)])
        d = paired(finished, sign, self.widened)
        if self.lost:
            return self._by_rank(_by_itself(d, finished, alpha / tests), joint)
        return (d if joint is None else _with(d, joint)), 0

    def _by_rank(self, d: Difference, joint: Joint | None) -> tuple[Difference, int]:
        """Return `d` with p and the probability of doing better over all seeds, including those that diverged."""
        whole = np.array([self.outcomes[seed] for seed in sorted(self.outcomes)])
        n, kinds = len(whole), [*self.lost.values()]
        p = ranks.paired(whole) if joint is None else joint.p
        adjusted, side = (p, 0) if joint is None else (joint.p_adjusted, joint.side)
        lost, won, tied = (kinds.count(kind) for kind in (-math.inf, math.inf, 0.0))
        chance = improvement.paired(whole, 1)
        d = replace(d, pairs=n, n=n, p=p, p_adjusted=adjusted, chance=chance, lost=lost, won=won, tied=tied)
        return d, side

    def _unpaired(self, region: float, sign: int, alpha: float, tests: int) -> tuple[Difference, int]:
        ours, theirs = self.samples
        d = unpaired(ours, theirs, sign, tests, alpha)
        if not any(self.worst):
            return d, 0
        worst = [np.full(n, -math.inf) for n in self.worst]
        arm, other = np.append(sign * ours, worst[0]), np.append(sign * theirs, worst[1])
        if not (len(arm) and len(other)):
            return d, 0
        p, side = ranks.unpaired(arm, other, region, alpha / tests)
        chance = improvement.unpaired(arm, other, 1)
        n, (lost, won) = min(len(arm), len(other)), self.worst
        return replace(d, n=n, p=p, p_adjusted=min(1.0, tests * p), chance=chance, lost=lost, won=won), side


def _by_itself(d: Difference, values: Floats, alpha: float) -> Difference:
    """Return `d` with the interval of the finished seeds alone, because the family tests this column by ranks of all seeds."""
    if d.finished < MIN_PAIRS or not np.isfinite(values).all():
        return d
    (joint,) = judge([Column(np.arange(len(values)), values, widened=d.widened)], len(values), alpha)
    return _with(d, joint)


def _with(d: Difference, joint: Joint) -> Difference:
    return replace(
        d,
        low=joint.low,
        high=joint.high,
        alone=joint.alone,
        interval=FLIPPED,
        p=joint.p,
        p_adjusted=joint.p_adjusted,
    )

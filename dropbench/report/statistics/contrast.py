"""One result, computed once: what is asked of the arms, its value under each seed, and what may be said of it.

Arm minus baseline is the simplest question; others are further classes with the methods of `Expression`.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np

from dropbench.report.records.measures import Measure
from dropbench.report.records.scores import Diverged, Floats, Scores, ScoresOf
from dropbench.report.statistics import improvement, ranks
from dropbench.report.statistics.difference import Difference, paired, unpaired
from dropbench.report.statistics.interval import MIN_PAIRS
from dropbench.report.statistics.permutation import holm
from dropbench.report.statistics.power import detectable, seeds_to_settle
from dropbench.report.statistics.verdict import INCONCLUSIVE, direction, verdict, verdict_by_rank


class Expression(Protocol):
    """A question to the arms whose answer is one number a seed."""

    @property
    def measure(self) -> Measure:
        """Which way is better, and how the number is written."""

    def values(self, scores: ScoresOf) -> dict[int, float]:
        """The number under each seed for which all of its arms have a score, in the order of the seeds."""

    def samples(self, scores: ScoresOf) -> tuple[Floats, Floats]:
        """Two independent samples, [n] and [m], to compare where no seed has a value; empty where there are no such."""

    def lost(self, scores: ScoresOf, diverged: Diverged) -> tuple[dict[int, float], tuple[int, int]]:
        """What seeds that diverged say of it.

        Under each seed with an answer: inf where that is better than any number, -inf where it is worse, 0 where neither
        side has one. And how many runs of either side diverged.
        """


@dataclass(frozen=True)
class Minus:
    """One arm minus another, which are labels, on one measure."""

    arm: str
    other: str
    measure: Measure

    def values(self, scores: ScoresOf) -> dict[int, float]:
        """See Expression."""
        ours, theirs = self._both(scores)
        return {seed: ours[seed] - theirs[seed] for seed in sorted(ours.keys() & theirs.keys())}

    def samples(self, scores: ScoresOf) -> tuple[Floats, Floats]:
        """See Expression."""
        ours, theirs = self._both(scores)
        return np.array([*ours.values()]), np.array([*theirs.values()])

    def lost(self, scores: ScoresOf, diverged: Diverged) -> tuple[dict[int, float], tuple[int, int]]:
        """See Expression."""
        ours, theirs = self._both(scores)
        bad, bad_other = set(diverged(self.arm)), set(diverged(self.other))
        answers = dict.fromkeys(bad & bad_other, 0.0)
        answers |= dict.fromkeys(bad & theirs.keys(), -math.inf) | dict.fromkeys(bad_other & ours.keys(), math.inf)
        return answers, (len(bad), len(bad_other))

    def _both(self, scores: ScoresOf) -> tuple[Scores, Scores]:
        ours, theirs = (scores(label, self.measure) for label in (self.arm, self.other))
        return {s: v for s, v in ours.items() if v == v}, {s: v for s, v in theirs.items() if v == v}


@dataclass(frozen=True)
class Contrast:
    """An expression, its values and their judgement.

    Parameters
    ----------
    expression : Expression
        What was asked.
    values : Mapping
        The number under each seed; empty where two samples without a seed in common were compared.
    difference : Difference
        The mean of these values, its interval, p and the probability of doing better.
    p_holm : float
        p after Holm's correction over the family that it was judged in; NaN where there was no test.
    tests : int
        How many of that family were tested, at least 1.
    region : float
        Half the width of what counts as no difference, in the measure's unit; NaN where it is not known.
    side : int
        Where seeds diverged, the side on which the ranks lie beyond the region: 1 better, -1 worse, 0 neither for sure.
    """

    expression: Expression
    values: Mapping[int, float]
    difference: Difference
    p_holm: float
    tests: int
    region: float
    side: int = 0

    @property
    def measure(self) -> Measure:
        """Which way is better, and how the numbers are written."""
        return self.expression.measure

    @property
    def direction(self) -> str:
        """Where the interval lies: better, worse (higher, lower), equivalent, or nothing where it does not say."""
        return direction(self.difference.low, self.difference.high, self.region, self.measure.direction)

    @property
    def confirmed(self) -> bool:
        """Whether the direction may be told as a result: enough seeds, and the corrected p small enough."""
        return self.verdict not in ("", INCONCLUSIVE)

    @property
    def verdict(self) -> str:
        """The direction where it is confirmed, else `inconclusive`; nothing where no value is known."""
        d = self.difference
        if d.diverged:
            within = d.lost == d.won == 0 and d.finished >= MIN_PAIRS and self.direction == "equivalent"
            return verdict_by_rank(self.side, within, self.p_holm, d.n)
        return verdict(d.low, d.high, self.p_holm, d.n, self.region, self.measure.direction) if d.n else ""

    @property
    def detectable(self) -> float:
        """What true difference would be told in 80 % of studies of this size; NaN without a spread, or if any diverged."""
        d = self.difference
        return detectable(d.error, d.df, self.region, d.pairs or None) if d.df > 0 and not d.diverged else math.nan

    def seeds_needed(self, tests: int | None = None) -> float:
        """Seeds in all that would settle it, were mean and sd the true ones.

        NaN where nothing can be said, infinite beyond what is worth naming. tests: of the family; None: those of this one.
        """
        d = self.difference
        if d.pairs < 2 or d.diverged or math.isnan(self.region) or math.isnan(d.sd):
            return math.nan
        needed = seeds_to_settle(d.mean, d.sd, self.region, self.tests if tests is None else tests)
        return math.inf if needed is None else max(needed, d.pairs + 1)

    @property
    def not_better(self) -> bool:
        """Whether an improvement that matters is excluded: one end of the interval, so 97.5 % sure."""
        return self._told and self._better_upwards[1] <= self.region and not self.difference.won

    @property
    def not_worse(self) -> bool:
        """Whether a loss that matters is excluded."""
        return self._told and self._better_upwards[0] >= -self.region and not self.difference.lost

    def __str__(self) -> str:
        """`+1.20 points (95 % interval +0.50 to +1.90)`."""
        d, write = self.difference, self.measure.difference
        if math.isnan(d.mean):
            return "no number, since no seed finished in both"
        mean = f"{write(d.mean)} {self.measure.points}".rstrip()
        if math.isnan(d.low) or math.isnan(d.high):
            return mean
        return f"{mean} (95 % interval {write(d.low)} to {write(d.high)})"

    @property
    def _told(self) -> bool:
        d = self.difference
        return d.finished >= MIN_PAIRS and all(map(math.isfinite, (d.low, d.high, self.region)))

    @property
    def _better_upwards(self) -> tuple[float, float]:
        d = self.difference
        return (d.low, d.high) if self.measure.direction > 0 else (-d.high, -d.low)


def _nobody(label: str) -> Collection[int]:
    return ()


def judged(
    expressions: Sequence[Expression],
    scores: ScoresOf,
    region: float,
    diverged: Diverged = _nobody,
    *,
    alpha: float = 0.05,
) -> list[Contrast]:
    """The contrasts of one family of questions, with Holm's correction over them, in their order.

    Parameters
    ----------
    expressions : sequence
        The questions, all on measures of one unit.
    scores : callable
        From an arm's label and a measure to {seed: score}.
    region : float
        Half the width of what counts as no difference, in that unit; NaN where it is not known.
    diverged : callable
        From an arm's label to its seeds that diverged: the worst by rank, where it is known which way is better.
    """
    asked = [(e, e.values(scores)) for e in expressions]
    differences = [_difference(e, values, scores, region, diverged) for e, values in asked]
    adjusted = holm([d.p for d, _ in differences])
    tests = max(1, sum(not math.isnan(d.p) for d, _ in differences))
    return [
        Contrast(e, values, d, p, tests, region, side)
        for (e, values), (d, side), p in zip(asked, differences, adjusted, strict=True)
    ]


def _difference(
    e: Expression, values: Mapping[int, float], scores: ScoresOf, region: float, diverged: Diverged
) -> tuple[Difference, int]:
    """What is known of one question, and where seeds diverged the side on which the ranks lie."""
    sign = e.measure.direction
    lost, runs = e.lost(scores, diverged) if sign else ({}, (0, 0))
    if values or lost:
        d = paired(np.array([*values.values()]), sign)
        return _by_signed_ranks(d, {s: sign * v for s, v in values.items()} | lost, lost, region) if lost else (d, 0)
    ours, theirs = e.samples(scores)
    d = unpaired(ours, theirs, sign)
    if not any(runs):
        return d, 0
    worst = [np.full(n, -math.inf) for n in runs]
    arm, other = np.append(sign * ours, worst[0]), np.append(sign * theirs, worst[1])
    if not (len(arm) and len(other)):
        return d, 0
    p, side = ranks.unpaired(arm, other, region)
    chance = improvement.unpaired(arm, other, 1)
    n = min(len(arm), len(other))
    return replace(d, n=n, p=p, chance=chance, lost=runs[0], won=runs[1]), side


def _by_signed_ranks(
    d: Difference, outcomes: Mapping[int, float], lost: Mapping[int, float], region: float
) -> tuple[Difference, int]:
    """With p and the chance of all seeds, those that diverged among them. outcomes: upwards is better."""
    whole = np.array([outcomes[seed] for seed in sorted(outcomes)])
    whole[np.isnan(whole)] = 0.0  # two scores that are infinite are no different
    p, side = ranks.paired(whole, region)
    n, kinds, chance = len(whole), [*lost.values()], improvement.paired(whole, 1)
    lost_, won, tied = (kinds.count(kind) for kind in (-math.inf, math.inf, 0.0))
    return replace(d, pairs=n, n=n, p=p, chance=chance, lost=lost_, won=won, tied=tied), side

"""One result, computed once: what is asked of the arms, its value under each seed, and what may be said of it.

Arm minus baseline is the simplest question; others are further classes with the methods of `Expression`.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from dropbench.report.records.measures import Measure
from dropbench.report.records.scores import Floats, Scores, ScoresOf
from dropbench.report.statistics.difference import Difference, paired, unpaired
from dropbench.report.statistics.interval import MIN_PAIRS
from dropbench.report.statistics.permutation import holm
from dropbench.report.statistics.power import detectable, seeds_to_settle
from dropbench.report.statistics.verdict import INCONCLUSIVE, direction, verdict


class Expression(Protocol):
    """A question to the arms whose answer is one number a seed."""

    @property
    def measure(self) -> Measure:
        """Which way is better, and how the number is written."""

    def values(self, scores: ScoresOf) -> dict[int, float]:
        """The number under each seed for which all of its arms have a score, in the order of the seeds."""

    def samples(self, scores: ScoresOf) -> tuple[Floats, Floats]:
        """Two independent samples, [n] and [m], to compare where no seed has a value; empty where there are no such."""


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
    """

    expression: Expression
    values: Mapping[int, float]
    difference: Difference
    p_holm: float
    tests: int
    region: float

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
        return verdict(d.low, d.high, self.p_holm, d.n, self.region, self.measure.direction) if d.n else ""

    @property
    def detectable(self) -> float:
        """The true difference that would be told in 80 % of studies of this size; NaN where there is no spread."""
        d = self.difference
        return detectable(d.error, d.df, self.region, d.pairs or None) if d.df > 0 else math.nan

    def seeds_needed(self, tests: int | None = None) -> float:
        """Seeds in all that would settle it, were mean and sd the true ones.

        NaN where nothing can be said, infinite beyond what is worth naming. tests: of the family; None: those of this one.
        """
        d = self.difference
        if d.pairs < 2 or math.isnan(self.region) or math.isnan(d.sd):
            return math.nan
        needed = seeds_to_settle(d.mean, d.sd, self.region, self.tests if tests is None else tests)
        return math.inf if needed is None else max(needed, d.pairs + 1)

    @property
    def not_better(self) -> bool:
        """Whether an improvement that matters is excluded: one end of the interval, so 97.5 % sure."""
        return self._told and self._better_upwards[1] <= self.region

    @property
    def not_worse(self) -> bool:
        """Whether a loss that matters is excluded."""
        return self._told and self._better_upwards[0] >= -self.region

    def __str__(self) -> str:
        """`+1.20 points (95 % interval +0.50 to +1.90)`."""
        d, write = self.difference, self.measure.difference
        mean = f"{write(d.mean)} {self.measure.points}".rstrip()
        if math.isnan(d.low) or math.isnan(d.high):
            return mean
        return f"{mean} (95 % interval {write(d.low)} to {write(d.high)})"

    @property
    def _told(self) -> bool:
        d = self.difference
        return d.n >= MIN_PAIRS and all(map(math.isfinite, (d.low, d.high, self.region)))

    @property
    def _better_upwards(self) -> tuple[float, float]:
        d = self.difference
        return (d.low, d.high) if self.measure.direction > 0 else (-d.high, -d.low)


def judged(expressions: Sequence[Expression], scores: ScoresOf, region: float) -> list[Contrast]:
    """The contrasts of one family of questions, with Holm's correction over them, in their order.

    Parameters
    ----------
    expressions : sequence
        The questions, all on measures of one unit.
    scores : callable
        From an arm's label and a measure to {seed: score}.
    region : float
        Half the width of what counts as no difference, in that unit; NaN where it is not known.
    """
    asked = [(e, e.values(scores)) for e in expressions]
    differences = [
        paired(np.array([*values.values()]), e.measure.direction)
        if values
        else unpaired(*e.samples(scores), e.measure.direction)
        for e, values in asked
    ]
    adjusted = holm([d.p for d in differences])
    tests = max(1, sum(not math.isnan(d.p) for d in differences))
    return [
        Contrast(e, values, d, p, tests, region) for (e, values), d, p in zip(asked, differences, adjusted, strict=True)
    ]

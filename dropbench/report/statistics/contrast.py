"""A contrast: an expression of the arms' scores, its value under each seed, and the verdict on it.

Arm minus baseline is the simplest expression; others are further classes with the methods of `Expression`.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Protocol

import numpy as np

from dropbench.report.records.measures import WHOLE, Measure
from dropbench.report.records.scores import Diverged, Floats, Scores, ScoresOf
from dropbench.report.statistics import power
from dropbench.report.statistics.difference import Difference
from dropbench.report.statistics.interval import ALPHA, CONFIDENCE, MIN_PAIRS, STUDENT_T, confidence
from dropbench.report.statistics.verdict import SAME, UNTOLD, direction
from dropbench.values import count


class Expression(Protocol):
    """An expression of the arms' scores that has one value per seed."""

    @property
    def measure(self) -> Measure:
        """The measure that says which direction is better and how the number is formatted."""

    def values(self, scores: ScoresOf) -> dict[int, float]:
        """Return the value under each seed for which all of its arms have a score, in the order of the seeds."""

    def samples(self, scores: ScoresOf) -> tuple[Floats, Floats]:
        """Return two independent samples, [n] and [m], to compare if no seed has a value; empty if there are none."""

    def lost(self, scores: ScoresOf, diverged: Diverged) -> tuple[dict[int, float], tuple[int, int]]:
        """Return the outcomes of seeds under which a run diverged, and how many runs of either side diverged.

        An outcome is inf if it is better than any number, -inf if it is worse, and 0 if neither side has a score. A seed
        without an outcome is left out.
        """


@dataclass(frozen=True)
class Minus:
    """One arm minus another on one measure; arms are given by their labels."""

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
class Numbers:
    """Numbers that are known already, one per seed, and belong to no arm."""

    by_seed: Mapping[int, float]

    @property
    def measure(self) -> Measure:
        """A measure of which neither direction is better."""
        return Measure("", "number")

    def values(self, scores: ScoresOf) -> dict[int, float]:
        """See Expression."""
        return dict(sorted(self.by_seed.items()))

    def samples(self, scores: ScoresOf) -> tuple[Floats, Floats]:
        """See Expression: none, since every number has a seed."""
        return np.array([]), np.array([])

    def lost(self, scores: ScoresOf, diverged: Diverged) -> tuple[dict[int, float], tuple[int, int]]:
        """See Expression: nothing diverged."""
        return {}, (0, 0)


@dataclass(frozen=True)
class Contrast:
    """An expression, its values and the verdict on them.

    Direction and confirmation differ: the interval that the expression has by itself gives the direction, and the interval that
    holds for the whole family decides whether the direction is confirmed.

    Parameters
    ----------
    expression : Expression
        The expression.
    values : Mapping
        Its value under each seed; empty if two samples without a seed in common were compared.
    difference : Difference
        The mean of these values, its intervals, p and the probability of doing better.
    tests : int
        How many contrasts of its family were tested, at least 1.
    region : float
        Half the width of the region of equivalence, in the measure's unit; NaN if it is not known.
    side : int
        If seeds diverged, the side on which the ranks lie beyond the region: 1 better, -1 worse, 0 neither for sure.
    examples : int
        The number of test examples of one seed, if the measure is the share of them that is right; else 0.
    alpha : float
        The probability that any interval of the family misses its true value.
    """

    expression: Expression
    values: Mapping[int, float]
    difference: Difference
    tests: int
    region: float
    side: int = 0
    examples: int = 0
    alpha: float = ALPHA

    @property
    def measure(self) -> Measure:
        """The measure that says which direction is better and how the numbers are formatted."""
        return self.expression.measure

    @property
    def how_lost(self) -> str:
        """The reason why seeds have no number: they `diverged` or, for the time to a score, `never reached it`."""
        return "never reached it" if self.measure.declared.unit in WHOLE else "diverged"

    @property
    def resolution(self) -> float:
        """The smallest region of equivalence that this number of test examples can support; 0 if they are not counted.

        If none of N examples is right in one arm alone, the true share of such examples may still be up to 3 / N, with 95 %
        confidence: the rule of three (Hanley & Lippman-Hand 1983).
        """
        return 3 / (self.examples * self.difference.finished) if self.examples and self.difference.finished else 0.0

    @property
    def direction(self) -> str:
        """The direction: better, worse (higher, lower), about the same, or `cannot tell`; empty if there is no value."""
        d = self.difference
        if not d.n:
            return ""
        if d.diverged and self.side:
            return "better" if self.side > 0 else "worse"
        return self._where(*d.alone)

    @property
    def confirmed(self) -> bool:
        """Whether the direction is confirmed: there are six seeds, and the interval that holds for the family agrees."""
        d = self.difference
        if d.n < MIN_PAIRS or self.direction in ("", UNTOLD):
            return False
        if d.diverged and self.side:
            return True
        return d.finished >= MIN_PAIRS and self._where(d.low, d.high) == self.direction

    @property
    def verdict(self) -> str:
        """The direction, followed by `, unconfirmed` if it is not confirmed."""
        known = self.direction not in ("", UNTOLD)
        return f"{self.direction}, unconfirmed" if known and not self.confirmed else self.direction

    def _where(self, low: float, high: float) -> str:
        """Return the direction of an interval; if seeds diverged, it is of the others only and can only show sameness."""
        d = self.difference
        told = direction(low, high, self.region, self.measure.direction)
        if told == SAME:
            return SAME if self.region >= self.resolution and d.lost == d.won == 0 else UNTOLD
        return told if told and not d.diverged else UNTOLD

    @property
    def detectable(self) -> float:
        """The true difference that would be confirmed in 80 % of studies of this size; NaN if it cannot be computed.

        It cannot without degrees of freedom, if seeds diverged, or if the test examples are too few for the region.
        """
        d = self.difference
        if not d.df > 0 or d.diverged or self.region < self.resolution:
            return math.nan
        return power.detectable(d, self.region)

    @cached_property
    def seeds_needed(self) -> power.Seeds:
        """The total number of seeds that would settle it with a probability of 50 %, and of 80 %."""
        d = self.difference
        if d.pairs < 2 or d.diverged or math.isnan(self.region) or math.isnan(d.sd):
            return power.UNKNOWN
        if d.sd < d.error / d.widened:  # all seeds agree, which does not show that they do not vary
            d = replace(d, sd=d.error / d.widened * math.sqrt(d.finished))
        return power.seeds_to_settle(d, self.region, self.alpha / self.tests, self.examples)

    @property
    def not_better(self) -> bool:
        """Whether an improvement beyond the region is excluded, by one end of the interval that is shown: 97.5 % sure."""
        return self._told and self._better_upwards[1] <= self.region and not self.difference.won

    @property
    def not_worse(self) -> bool:
        """Whether a loss beyond the region is excluded, likewise."""
        return self._told and self._better_upwards[0] >= -self.region and not self.difference.lost

    def __str__(self) -> str:
        """Return mean and interval: `+1.20 points (95 % interval +0.50 to +1.90)`."""
        d, write = self.difference, self.measure.difference
        if math.isnan(d.mean):
            return "no number, since no seed finished in both"
        mean = f"{write(d.mean)} {self.measure.points}".rstrip()
        but = f" over the {count(d.finished, 'seed')} that finished in both" if d.pairs and d.diverged else ""
        return f"{mean}{but} ({self.between})" if self.between else f"{mean}{but}"

    @property
    def between(self) -> str:
        """The interval in words: `95 % interval +0.50 to +1.90`; empty if there is none.

        With few seeds the level of an early look may be out of reach, so that no number at all is excluded.
        """
        d, write = self.difference, self.measure.difference
        if math.isnan(d.low) or math.isnan(d.high):
            return ""
        if math.isinf(d.low) and math.isinf(d.high):
            return f"too few seeds for a {self.sure} interval"
        return f"{self.sure} interval {write(d.low)} to {write(d.high)}"

    @property
    def sure(self) -> str:
        """The confidence of the interval: `99.2 %`. With few pairs it is 95 % at every look, and for this expression alone."""
        few = self.difference.interval == STUDENT_T and self.difference.finished < MIN_PAIRS
        return confidence(1 - CONFIDENCE if few else self.alpha)

    @property
    def _told(self) -> bool:
        d = self.difference
        return d.finished >= MIN_PAIRS and all(map(math.isfinite, (d.low, d.high, self.region)))

    @property
    def _better_upwards(self) -> tuple[float, float]:
        low, high = self.difference.low, self.difference.high
        return (low, high) if self.measure.direction > 0 else (-high, -low)


def levels(contrasts: Iterable[Contrast], alpha: float) -> str:
    """Return the confidence of the intervals of contrasts judged at alpha: `99.2 %`, or `99.2 % or 95 %` where pairs are few.

    It is the level of alpha if none of them has an interval.
    """
    return " or ".join(dict.fromkeys(c.sure for c in contrasts if c.between)) or confidence(alpha)

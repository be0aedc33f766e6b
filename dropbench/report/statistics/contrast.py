"""One result, computed once: what is asked of the arms, its value under each seed, and what may be said of it.

Arm minus baseline is the simplest question; others are further classes with the methods of `Expression`.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Protocol

import numpy as np

from dropbench.report.records.measures import WHOLE, Measure
from dropbench.report.records.scores import Diverged, Floats, Scores, ScoresOf
from dropbench.report.statistics import power
from dropbench.report.statistics.difference import Difference
from dropbench.report.statistics.interval import ALPHA, MIN_PAIRS, confidence
from dropbench.report.statistics.verdict import SAME, UNTOLD, direction


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
class Numbers:
    """What is known already: one number a seed, of no arm."""

    by_seed: Mapping[int, float]

    @property
    def measure(self) -> Measure:
        """Neither way is better."""
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
    """An expression, its values and their judgement.

    Direction and confirmation are two things: the interval that the expression would have by itself says where it seems to lie,
    the one that holds for all of its family whether that may be told as a result.

    Parameters
    ----------
    expression : Expression
        What was asked.
    values : Mapping
        The number under each seed; empty where two samples without a seed in common were compared.
    difference : Difference
        The mean of these values, its intervals, p and the probability of doing better.
    tests : int
        How many of its family were tested, at least 1.
    region : float
        Half the width of what counts as no difference, in the measure's unit; NaN where it is not known.
    side : int
        Where seeds diverged, the side on which the ranks lie beyond the region: 1 better, -1 worse, 0 neither for sure.
    examples : int
        Of the test split of one seed, where the measure is the share of them that is right; else 0.
    alpha : float
        How often any interval of the family may miss.
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
        """Which way is better, and how the numbers are written."""
        return self.expression.measure

    @property
    def how_lost(self) -> str:
        """What became of seeds that have no number: they `diverged`, or `never got there`."""
        return "never got there" if self.measure.declared.unit in WHOLE else "diverged"

    @property
    def resolution(self) -> float:
        """The smallest region that so many examples can fill; 0 where they are not counted.

        Of N examples of which none is right in one arm alone there may still be 3 in N, with 95 % confidence: the rule of three
        (Hanley & Lippman-Hand 1983).
        """
        return 3 / (self.examples * self.difference.finished) if self.examples and self.difference.finished else 0.0

    @property
    def direction(self) -> str:
        """Where it seems to lie: better, worse (higher, lower), about the same, or `cannot tell`; nothing without a value."""
        d = self.difference
        if not d.n:
            return ""
        if d.diverged and self.side:
            return "better" if self.side > 0 else "worse"
        return self._where(*d.alone)

    @property
    def confirmed(self) -> bool:
        """Whether the direction may be told as a result: six seeds, and the interval that holds for all says so."""
        d = self.difference
        if d.n < MIN_PAIRS or self.direction in ("", UNTOLD):
            return False
        if d.diverged and self.side:
            return True
        return d.finished >= MIN_PAIRS and self._where(d.low, d.high) == self.direction

    @property
    def verdict(self) -> str:
        """The direction, with `, unconfirmed` behind one that is not."""
        known = self.direction not in ("", UNTOLD)
        return f"{self.direction}, unconfirmed" if known and not self.confirmed else self.direction

    def _where(self, low: float, high: float) -> str:
        """What an interval says. Where seeds diverged it is of the others alone, and can only say that these are the same."""
        d = self.difference
        told = direction(low, high, self.region, self.measure.direction)
        if told == SAME:
            return SAME if self.region >= self.resolution and d.lost == d.won == 0 else UNTOLD
        return told if told and not d.diverged else UNTOLD

    @property
    def detectable(self) -> float:
        """What true difference would be told in 80 % of studies of this size; NaN where nothing can be said.

        That is without a spread, where seeds diverged, and where the test examples are too few to tell the region from nothing.
        """
        d = self.difference
        if not d.df > 0 or d.diverged or self.region < self.resolution:
            return math.nan
        return power.detectable(d, self.region)

    @cached_property
    def seeds_needed(self) -> power.Seeds:
        """Seeds in all that would settle it, with an even chance and with one of four in five."""
        d = self.difference
        if d.pairs < 2 or d.diverged or math.isnan(self.region) or math.isnan(d.sd):
            return power.UNKNOWN
        return power.seeds_to_settle(d, self.region, self.alpha / self.tests, self.examples)

    @property
    def not_better(self) -> bool:
        """Whether an improvement that matters is excluded, by the one end of the interval that is shown: 97.5 % sure."""
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
        return f"{mean} ({confidence(self.alpha)} interval {write(d.low)} to {write(d.high)})"

    @property
    def _told(self) -> bool:
        d = self.difference
        return d.finished >= MIN_PAIRS and all(map(math.isfinite, (d.low, d.high, self.region)))

    @property
    def _better_upwards(self) -> tuple[float, float]:
        low, high = self.difference.low, self.difference.high
        return (low, high) if self.measure.direction > 0 else (-high, -low)

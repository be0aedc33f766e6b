"""Several arms beside one baseline, judged together: intervals and p that hold for all of them at once.

The signs of whole seeds are flipped, for all arms together, so that what a seed does to every arm stays together (Westfall &
Young 1993; Romano & Wolf 2005, Econometrica 73:1237). How far out an arm's mean lies is compared with the furthest of all
arms' means under each flip. What that asks of a mean hardly grows with the number of arms that move together, and no p has to
be multiplied by it: with six seeds an effect can be told among sixty arms, which no correction of single p values allows.

How far out: |mean| / (r + a), with r the root mean square of an arm's differences about what is tested, which no flip changes,
and a quarter of the arms' median spread for a, so that an arm whose few seeds agree by chance is not the furthest of all (the
idea is of Tusher, Tibshirani & Chu 2001, PNAS 98:5116). Of two arms the smaller spread stands for the median. The simulations
by which this was chosen are in docs/statistics.md.

An arm is tested against a value at a time, the others about their own means. An interval is all the values that the test at its
level does not reject, so that the two cannot contradict each other.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from dropbench.report.records.scores import Floats
from dropbench.report.statistics.permutation import signs
from dropbench.report.statistics.ranks import signed_ranks

FLOOR = 0.25
"""Times the median spread of the arms."""
_BLOCK = 1 << 16
"""Signs, times two at most, that are in use at once: half a megabyte to one."""


@dataclass(frozen=True)
class Column:
    """One arm's differences.

    Parameters
    ----------
    rows : array [n] of int
        Which of the family's seeds they are of.
    values : array [n]
        One a seed. By rank: how much better the arm did, infinite where one of the two diverged.
    edge : float or None
        Where only ranks can be had half the width of what counts as no difference; else None.
    widened : float
        At least 1: by how much the mean is less sure than its seeds say. Distances from the mean are divided by it.
    """

    rows: NDArray[np.int_]
    values: Floats
    edge: float | None = None
    widened: float = 1.0


@dataclass(frozen=True)
class Joint:
    """What may be said of one arm.

    Parameters
    ----------
    alone : tuple
        The limits of the interval that this arm would have by itself; NaN by rank.
    low, high : float
        The limits that hold for all arms at once, infinite where the seeds are too few for one; NaN by rank.
    p : float
        Of no difference, for this arm by itself.
    p_adjusted : float
        The same among all arms, by steps: the surest arm is compared with all, each next one with those that are no surer than
        itself.
    side : int
        By rank: 1 or -1 where the arm is better or worse by more than the edge, among all arms at once, else 0.
    """

    alone: tuple[float, float]
    low: float
    high: float
    p: float
    p_adjusted: float
    side: int = 0


def judge(columns: Sequence[Column], seeds: int, alpha: float, share: float = 1.0) -> list[Joint]:
    """Each arm among all of them, in their order.

    Parameters
    ----------
    columns : sequence
        The arms, each of at least two seeds.
    seeds : int
        Of the family, in all.
    alpha : float
        How often one arm's interval may miss, in (0, 1).
    share : float
        Of alpha: how often any of the intervals that hold together may, where some of it is for others.
    """
    if not columns:
        return []
    flips = signs(seeds)
    moments = [_Moments.of(c) for c in columns]
    floors = _floors(moments)
    centred = np.zeros((seeds, len(columns)))
    for k, (column, m) in enumerate(zip(columns, moments, strict=True)):
        centred[column.rows, k] = m.centred / (m.n * (m.spread + floors[k]) or 1.0)
    reach = _common(np.abs(flips @ centred), np.array([m.n for m in moments]))
    arms = [
        _Arm(c, m, floor, *own)
        for c, m, floor, own in zip(columns, moments, floors, _flipped(columns, flips), strict=True)
    ]
    others = np.asfortranarray(_without_each(reach))  # it is read a column at a time, as is `later`
    adjusted = _by_steps(arms, reach, [arm.p(others[:, k]) for k, arm in enumerate(arms)])
    return [arm.joint(others[:, k], adjusted[k], alpha, share) for k, arm in enumerate(arms)]


def _by_steps(arms: Sequence[_Arm], reach: Floats, p: Sequence[float]) -> list[float]:
    """The adjusted p of each arm: each is compared with those only whose p among all is no smaller, in that order.

    So it is at most its p among all, and what an interval excludes is never left in doubt by its p.
    """
    order = np.lexsort(([-arm.far_out for arm in arms], p))
    later = np.zeros(reach.shape, order="F")
    later[:, order[:-1]] = np.maximum.accumulate(reach[:, order[:0:-1]], axis=1)[:, ::-1]
    adjusted, least = [0.0] * len(arms), 0.0
    for k in order:
        adjusted[k] = least = max(least, arms[k].p(later[:, k]))
    return adjusted


@dataclass(frozen=True)
class _Moments:
    """Of a column: how many, its mean, and its values about it. Ranks are about 0, and their mean is that of the ranks."""

    n: int
    mean: float
    centred: Floats
    spread: float
    ranked: bool

    @classmethod
    def of(cls, column: Column) -> _Moments:
        ranked = column.edge is not None
        values = signed_ranks(column.values) if ranked else column.values
        mean = float(values.mean())
        centred = values if ranked else values - mean
        spread = float(np.sqrt((centred**2).mean()))
        if spread < 1e-10 * float(np.abs(values).max(initial=0.0)):  # all are equal, but for rounding
            centred, spread = np.zeros(len(values)), 0.0
        return cls(len(values), mean, centred, spread, ranked)


def _floors(moments: Sequence[_Moments]) -> list[float]:
    """What is added to each arm's spread. Of ranks, which have another unit, to their own."""
    spreads = sorted(m.spread for m in moments if not m.ranked)
    common = FLOOR * spreads[(len(spreads) - 1) // 2] if len(moments) > 1 and spreads else 0.0
    return [FLOOR * m.spread if m.ranked and len(moments) > 1 else 0.0 if m.ranked else common for m in moments]


def _common(z: Floats, n: NDArray[np.int_]) -> Floats:
    """Of z in [0, 1] from n seeds what t would be, so that arms with other numbers of seeds can be compared."""
    with np.errstate(divide="ignore"):
        t: Floats = z * np.sqrt((n - 1) / np.maximum(1 - z**2, 0.0))
    return t


def _back(t: Floats, n: int) -> Floats:
    """The z of an arm of n seeds that lies as far out as t; below 1."""
    z: Floats = 1 / np.sqrt(1 + (n - 1) / np.maximum(t, 1e-12) ** 2)
    return z


def _without_each(reach: Floats) -> Floats:
    """The furthest of all other arms, by flip [F, m]; 0 where there are none."""
    if reach.shape[1] == 1:
        return np.zeros_like(reach)
    second, first = np.partition(reach, -2, axis=1)[:, -2:].T
    is_first = reach == first[:, None]
    alone = is_first.sum(1) == 1
    others: Floats = np.where(is_first & alone[:, None], second[:, None], first[:, None])
    return others


@dataclass(frozen=True)
class _Flips:
    """The flips of the seeds of one or more arms: [F, n] signs; n less and plus the sum e of each, and where that is ±n."""

    signs: Floats
    less: Floats
    more: Floats
    whole: NDArray[np.bool_]

    @classmethod
    def of(cls, signs: Floats) -> _Flips:
        n, e = signs.shape[1], signs.sum(1)
        return cls(signs, n - e, n + e, np.abs(e) == n)  # the differences themselves, or all of them turned round

    def sums(self, several: Sequence[Floats]) -> Floats:
        """[F, m] of m arms' differences the sum under each flip: by parts of the flips that stay in a processor's cache."""
        count, n = self.signs.shape
        block = max(64, 1 << (_BLOCK // n).bit_length())
        sums = np.empty((count, len(several)), order="F")
        for first in range(0, count, block):
            part = self.signs[first : first + block]
            for k, values in enumerate(several):
                sums[first : first + block, k] = part @ values
        return sums


def _flipped(columns: Sequence[Column], flips: Floats) -> list[tuple[_Flips, Floats]]:
    """The flips of each arm's own seeds, which most or all have alike, and its sum under each of them."""
    alike: dict[bytes, list[int]] = {}
    for k, column in enumerate(columns):
        alike.setdefault(column.rows.tobytes(), []).append(k)
    found = {}
    for places in alike.values():
        own = _Flips.of(flips[:, columns[places[0]].rows])
        # By rank they are infinite, and nobody asks.
        sums = own.sums([c.values if c.edge is None else np.zeros(len(c.rows)) for c in (columns[k] for k in places)])
        found.update({k: (own, sums[:, i]) for i, k in enumerate(places)})
    return [found[k] for k in range(len(columns))]


@dataclass(frozen=True)
class _Arm:
    """One column with the values that each flip of its own seeds does not reject: an interval about its mean.

    sums: of its values, under each flip.
    """

    column: Column
    moments: _Moments
    floor: float
    flips: _Flips
    sums: Floats
    _tolerance: float = field(init=False)
    _own: tuple[Floats, Floats] = field(init=False)

    def __post_init__(self) -> None:
        finite = self.column.values[np.isfinite(self.column.values)]
        object.__setattr__(self, "_tolerance", 1e-10 * float(np.abs(finite).max(initial=0.0)))
        object.__setattr__(self, "_own", (np.zeros(0), np.zeros(0)) if self.moments.ranked else self._of_itself())

    def _of_itself(self) -> tuple[Floats, Floats]:
        """For each flip the values about which the flipped mean is at least as far out as the mean is.

        With S the sum of the differences, s that of the flipped and e that of the n signs: |s - e v| >= |S - n v| holds between
        (S - s) / (n - e) and (S + s) / (n + e). Both are means of some of the differences.
        """
        total, sums = float(self.column.values.sum()), self.sums
        with np.errstate(divide="ignore", invalid="ignore"):
            one, other = (total - sums) / self.flips.less, (total + sums) / self.flips.more
        low, high = np.minimum(one, other), np.maximum(one, other)
        low[self.flips.whole], high[self.flips.whole] = -np.inf, np.inf
        return low, high

    def _kept(self, others: Floats | None) -> tuple[Floats, Floats]:
        """The same where the furthest of some other arms, by flip, counts too."""
        if (
            others is None or self.moments.spread + self.floor == 0
        ):  # all differences are one number: no distance is far
            return self._own
        # |v - mean| = u lies as far out as z where u / (sqrt(u² + spread²) + floor) = z.
        z, s, a = _back(others, self.moments.n), self.moments.spread, self.floor
        with np.errstate(divide="ignore"):
            u = z * (a + np.sqrt(np.maximum(s**2 + z**2 * (a**2 - s**2), 0.0))) / (1 - z**2)
        mean = self.moments.mean
        return np.minimum(self._own[0], mean - u), np.maximum(self._own[1], mean + u)

    @property
    def far_out(self) -> float:
        """How far out the mean lies, in [0, 1]."""
        away = abs(self.moments.mean) / self.column.widened
        spread = self.moments.spread if self.moments.ranked else math.hypot(away, self.moments.spread)
        return away / (spread + self.floor or 1.0)

    def p(self, others: Floats | None) -> float:
        """Of no difference; others: how far out the furthest of those lies that it is compared with, by flip."""
        if self.moments.ranked:
            return self._p_by_rank(self.column.values, others)
        low, high = self._kept(others)
        value = self.moments.mean * (
            1 - 1 / self.column.widened
        )  # as far from the mean as 0 is, less what it is widened by
        inside = (low <= value + self._tolerance) & (high >= value - self._tolerance)
        return float(inside.mean())

    def _p_by_rank(self, outcomes: Floats, others: Floats | None) -> float:
        ranks = signed_ranks(outcomes)
        spread = float(np.sqrt((ranks**2).mean()))
        if spread == 0:
            return 1.0
        whole = self.moments.n * spread * (1 + (FLOOR if self.floor else 0.0))
        reached = np.abs(self.flips.signs @ ranks) / whole
        if others is not None:
            reached = np.maximum(reached, _back(others, self.moments.n))
        return float((reached >= abs(ranks.sum()) / whole - 1e-10).mean())

    def _side(self, others: Floats, alpha: float) -> int:
        edge = self.column.edge if self.column.edge is not None and math.isfinite(self.column.edge) else 0.0
        for side in (1, -1):
            beyond = side * self.column.values - edge
            if signed_ranks(beyond).sum() > 0 and self._p_by_rank(beyond, others) <= alpha:
                return side
        return 0

    def joint(self, others: Floats, p_adjusted: float, alpha: float, share: float) -> Joint:
        """All of it; others: of all other arms."""
        p = self.p(None)
        adjusted = min(1.0, max(p, p_adjusted) / share)
        if self.moments.ranked:
            return Joint(
                (math.nan, math.nan),
                math.nan,
                math.nan,
                p,
                min(1.0, max(p, p_adjusted) / share),
                self._side(others, alpha * share),
            )
        alone = self._limits(*self._kept(None), alpha)
        low, high = self._limits(*self._kept(others), alpha * share)
        return Joint(alone, low, high, p, adjusted)

    def _limits(self, low: Floats, high: Floats, alpha: float) -> tuple[float, float]:
        """Of the values that more than alpha of all flips do not reject."""
        k = math.floor(alpha * len(low) + 1e-9)
        mean, by = self.moments.mean, self.column.widened
        ends = float(np.partition(low, k)[k]), float(-np.partition(-high, k)[k])
        return mean + by * (ends[0] - mean), mean + by * (ends[1] - mean)

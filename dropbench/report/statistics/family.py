"""Simultaneous inference for several arms beside one baseline: intervals and p values that hold for all of them at once.

The test flips the signs of whole seeds, for all arms together, which preserves the correlation between arms under one seed
(Westfall & Young 1993; Romano & Wolf 2005, Econometrica 73:1237). An arm's statistic is compared with the largest statistic of
all arms under each flip. For correlated arms this threshold hardly grows with their number, and no p value has to be multiplied
by it: with six seeds an effect can be confirmed among sixty arms, which no correction of single p values allows.

The statistic is |mean| / (r + a). r is the root mean square of an arm's differences about the tested value, which no flip
changes. a is a quarter of the arms' median spread; it prevents an arm whose few seeds agree by chance from having the largest
statistic (an idea of Tusher, Tibshirani & Chu 2001, PNAS 98:5116). With an even number of arms, the smaller of the two middle
spreads is the median. The simulations by which this was chosen are in docs/statistics.md.

One arm at a time is tested against a value, while the others are centred on their own means. An interval contains all values
that the test at its level does not reject, so interval and test cannot contradict each other.
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
"""The factor of the median spread of the arms."""
_BLOCK = 1 << 16
"""Signs that are processed at once, at most twice as many: half a megabyte to one."""


@dataclass(frozen=True)
class Column:
    """One arm's differences.

    Parameters
    ----------
    rows : array [n] of int
        The indices of their seeds among the seeds of the family.
    values : array [n]
        One difference per seed. If tested by rank: how much better the arm did, infinite where one of the two diverged.
    edge : float or None
        If only ranks can be tested, half the width of the region of equivalence; else None.
    widened : float
        At least 1: how many times the seeds understate the mean's standard error. Distances from the mean are divided by it.
    """

    rows: NDArray[np.int_]
    values: Floats
    edge: float | None = None
    widened: float = 1.0


@dataclass(frozen=True)
class Joint:
    """The results for one arm.

    Parameters
    ----------
    alone : tuple
        The limits of the interval that this arm would have by itself; NaN if tested by rank.
    low, high : float
        The limits that hold for all arms at once, infinite if there are too few seeds for an interval; NaN if tested by rank.
    p : float
        The p value of no difference, for this arm by itself.
    p_adjusted : float
        The p value among all arms, step-down: the most significant arm is compared with all arms, each next one only with the
        arms that are no more significant than itself.
    side : int
        If tested by rank: 1 or -1 if the arm is better or worse by more than the edge, for all arms at once; else 0.
    """

    alone: tuple[float, float]
    low: float
    high: float
    p: float
    p_adjusted: float
    side: int = 0


def judge(columns: Sequence[Column], seeds: int, alpha: float, share: float = 1.0) -> list[Joint]:
    """Return the results of each arm, in the order of the columns.

    Parameters
    ----------
    columns : sequence
        The arms, each with at least two seeds.
    seeds : int
        The number of seeds of the family.
    alpha : float
        The error rate of the interval that one arm has by itself, in (0, 1).
    share : float
        The share of alpha for the simultaneous intervals of these columns, if other comparisons use up the rest.
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
    others = np.asfortranarray(_without_each(reach))  # columns are contiguous because they are read one at a time
    adjusted = _by_steps(arms, reach, [arm.p(others[:, k]) for k, arm in enumerate(arms)])
    return [arm.joint(others[:, k], adjusted[k], alpha, share) for k, arm in enumerate(arms)]


def _by_steps(arms: Sequence[_Arm], reach: Floats, p: Sequence[float]) -> list[float]:
    """Return the step-down p of each arm, which compares it only with arms whose p among all arms is no smaller.

    It is therefore at most the arm's p among all arms (`p`), so a value that the interval excludes also has a small p.
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
    """A column's size, mean, centred values and spread. If tested by rank, these are of its signed ranks, left uncentred."""

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
        if spread < 1e-10 * float(np.abs(values).max(initial=0.0)):  # all are equal up to rounding
            centred, spread = np.zeros(len(values)), 0.0
        return cls(len(values), mean, centred, spread, ranked)


def _floors(moments: Sequence[_Moments]) -> list[float]:
    """Return the constant added to each arm's spread; for ranks, from their own spread, because they have another unit."""
    spreads = sorted(m.spread for m in moments if not m.ranked)
    common = FLOOR * spreads[(len(spreads) - 1) // 2] if len(moments) > 1 and spreads else 0.0
    return [FLOOR * m.spread if m.ranked and len(moments) > 1 else 0.0 if m.ranked else common for m in moments]


def _common(z: Floats, n: NDArray[np.int_]) -> Floats:
    """Convert z in [0, 1] from n seeds to a t statistic, which is comparable between arms with different numbers of seeds."""
    with np.errstate(divide="ignore"):
        t: Floats = z * np.sqrt((n - 1) / np.maximum(1 - z**2, 0.0))
    return t


def _back(t: Floats, n: int) -> Floats:
    """Convert a t statistic to the z, below 1, of an arm with n seeds: the inverse of `_common`."""
    z: Floats = 1 / np.sqrt(1 + (n - 1) / np.maximum(t, 1e-12) ** 2)
    return z


def _without_each(reach: Floats) -> Floats:
    """Return for each flip and arm the largest statistic of all other arms, [F, m]; 0 if there is no other arm."""
    if reach.shape[1] == 1:
        return np.zeros_like(reach)
    second, first = np.partition(reach, -2, axis=1)[:, -2:].T
    is_first = reach == first[:, None]
    alone = is_first.sum(1) == 1
    others: Floats = np.where(is_first & alone[:, None], second[:, None], first[:, None])
    return others


@dataclass(frozen=True)
class _Flips:
    """Sign flips, [F, n], of the seeds of some arms; with e the sum of a flip: less = n - e, more = n + e, whole is |e| = n."""

    signs: Floats
    less: Floats
    more: Floats
    whole: NDArray[np.bool_]

    @classmethod
    def of(cls, signs: Floats) -> _Flips:
        n, e = signs.shape[1], signs.sum(1)
        return cls(signs, n - e, n + e, np.abs(e) == n)  # whole: no sign is flipped, or all are

    def sums(self, several: Sequence[Floats]) -> Floats:
        """Sum the differences of m arms under each flip, [F, m], in blocks of flips that fit into a processor's cache."""
        count, n = self.signs.shape
        block = max(64, 1 << (_BLOCK // n).bit_length())
        sums = np.empty((count, len(several)), order="F")
        for first in range(0, count, block):
            part = self.signs[first : first + block]
            for k, values in enumerate(several):
                sums[first : first + block, k] = part @ values
        return sums


def _flipped(columns: Sequence[Column], flips: Floats) -> list[tuple[_Flips, Floats]]:
    """Return for each arm the flips of its seeds, shared by arms with the same seeds, and its sum under each flip."""
    alike: dict[bytes, list[int]] = {}
    for k, column in enumerate(columns):
        alike.setdefault(column.rows.tobytes(), []).append(k)
    found = {}
    for places in alike.values():
        own = _Flips.of(flips[:, columns[places[0]].rows])
        # Values that are tested by rank may be infinite; their sums are not used.
        sums = own.sums([c.values if c.edge is None else np.zeros(len(c.rows)) for c in (columns[k] for k in places)])
        found.update({k: (own, sums[:, i]) for i, k in enumerate(places)})
    return [found[k] for k in range(len(columns))]


@dataclass(frozen=True)
class _Arm:
    """One column and, for each flip of its seeds, the interval about its mean of the values that the flip does not reject.

    sums: the sum of its values under each flip.
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
        """Return for each flip the interval of values v about which the flipped mean is at least as far out as the mean.

        With S the sum of the differences, s the sum of the flipped differences and e the sum of the n signs:
        |s - e v| >= |S - n v| holds between (S - s) / (n - e) and (S + s) / (n + e). Both are means of some of the differences.
        """
        total, sums = float(self.column.values.sum()), self.sums
        with np.errstate(divide="ignore", invalid="ignore"):
            one, other = (total - sums) / self.flips.less, (total + sums) / self.flips.more
        low, high = np.minimum(one, other), np.maximum(one, other)
        low[self.flips.whole], high[self.flips.whole] = -np.inf, np.inf
        return low, high

    def _kept(self, others: Floats | None) -> tuple[Floats, Floats]:
        """Return the same intervals, extended by the values that the largest statistic of other arms reaches under the flip."""
        # Without spread and floor all differences are equal, and the statistic is not defined.
        if others is None or self.moments.spread + self.floor == 0:
            return self._own
        # A value at the distance |v - mean| = u has the statistic z if u / (sqrt(u² + spread²) + floor) = z.
        z, s, a = _back(others, self.moments.n), self.moments.spread, self.floor
        with np.errstate(divide="ignore"):
            u = z * (a + np.sqrt(np.maximum(s**2 + z**2 * (a**2 - s**2), 0.0))) / (1 - z**2)
        mean = self.moments.mean
        return np.minimum(self._own[0], mean - u), np.maximum(self._own[1], mean + u)

    @property
    def far_out(self) -> float:
        """The statistic |mean| / (r + a) of the arm, in [0, 1]."""
        away = abs(self.moments.mean) / self.column.widened
        spread = self.moments.spread if self.moments.ranked else math.hypot(away, self.moments.spread)
        return away / (spread + self.floor or 1.0)

    def p(self, others: Floats | None) -> float:
        """Return p of no difference; others: for each flip, the largest statistic of the arms it is compared with."""
        if self.moments.ranked:
            return self._p_by_rank(self.column.values, others)
        low, high = self._kept(others)
        value = self.moments.mean * (
            1 - 1 / self.column.widened
        )  # the distance from the mean to 0, divided by the widening
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
        """Return all results of the arm; others: for each flip, the largest statistic of all other arms."""
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
        """Return the limits of the values that more than a share alpha of all flips do not reject."""
        k = math.floor(alpha * len(low) + 1e-9)
        mean, by = self.moments.mean, self.column.widened
        ends = float(np.partition(low, k)[k]), float(-np.partition(-high, k)[k])
        return mean + by * (ends[0] - mean), mean + by * (ends[1] - mean)

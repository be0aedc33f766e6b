"""Power: which true difference a comparison could confirm, and how many seeds would settle it."""

from __future__ import annotations

import math
from functools import lru_cache
from typing import NamedTuple

import numpy as np

from dropbench.report.records.scores import Floats
from dropbench.report.statistics.difference import Difference
from dropbench.report.statistics.distributions import (
    chi_square_quantile,
    noncentral_t_cdf,
    normal_cdf,
    t_cdf,
    t_quantile,
)
from dropbench.report.statistics.family import Column, judge
from dropbench.report.statistics.interval import ALPHA, MIN_PAIRS
from dropbench.report.statistics.permutation import EXACT

POWER = 0.80
NORMAL_POWER = 0.8416212335729143
"""The normal quantile of POWER."""
MOST = 1_000
"""The largest number of seeds that is considered; results beyond it are infinite."""
AHEAD = (6, 8, 10, 12, 16, 20, 25, 30, 40, 50, 65, 80, 100, 130, 160, 200, 300, 400, 500, 700, MOST)
"""Numbers of seeds that are tabulated for a future study."""
_DRAWS, _AT_ONCE = 2_000, 250
"""The number of simulated studies, and how many are computed at once, so that their arrays fit into a processor's cache."""
_GRID = 200
_STUDIES = (25, 8)
"""How many studies `findable` simulates: with few seeds, and with so many seeds that studies hardly differ."""


class Seeds(NamedTuple):
    """The total number of seeds that settles a contrast with a probability of 50 % (even), and of 80 % (likely).

    Infinite beyond MOST, NaN if it cannot be computed.
    """

    even: float
    likely: float


UNKNOWN = Seeds(math.nan, math.nan)


def detectable(d: Difference, region: float) -> float:
    """Return the minimal detectable effect: the true difference that 80 % of studies of this size would confirm.

    It is the sum of the region, half the width of the interval among all arms, and the margin that gives a power of 80 %. The
    margin allows for errors in two estimated spreads: this study's, in whose unit the effect is computed here, and that of the
    next study, by which it will be judged. Each has a relative error of about 1 / √(2 df).
    """
    half = (d.high - d.low) / 2
    if not math.isfinite(half) or not d.error:
        return math.nan
    return _detectable(half / d.error, d.error, d.df, region)


def detectable_with(d: Difference, region: float, alpha: float, seeds: int) -> float:
    """Return the true difference that 80 % of studies with this many paired seeds would confirm, given the spread of `d`.

    With `d.pairs` seeds it equals `detectable`. More seeds do not reduce the part of the error that comes from the test
    examples (`Difference.widened`).

    Parameters
    ----------
    d : Difference
        A difference with at least two pairs.
    region, alpha : float
        As in `seeds_to_settle`.
    seeds : int
        The number of seeds, at least two.
    """
    df = seeds - 1
    error = d.sd * math.sqrt(1 / seeds + (d.widened**2 - 1) / d.pairs)
    return _detectable(t_quantile(1 - _level(d, alpha) / 2, df), error, df, region) if error else math.nan


def _detectable(h: float, error: float, df: float, region: float) -> float:
    """Return the minimal detectable effect; h: half the width of the interval, in standard errors."""
    beyond = NORMAL_POWER
    for _ in range(30):
        beyond = NORMAL_POWER * math.sqrt(1 + ((h + beyond) ** 2 + h**2) / (2 * df))
    return (region if math.isfinite(region) else 0.0) + (h + beyond) * error


def power_at(effect: float, region: float, pilot: Difference, seeds: int) -> float:
    """Return the power, in [0, 1], of a study with this many seeds to detect a true effect, given a pilot's spread.

    An effect is detected if its 95 % interval by Student's t lies beyond the region; an effect of 0, if the interval lies
    within the region. More seeds do not reduce the part of the error that comes from the test examples (`Difference.widened`).

    Parameters
    ----------
    effect, region : float
        In the measure's unit; only the absolute value of the effect matters.
    pilot : Difference
        A difference with at least two pairs; the result is NaN with fewer.
    seeds : int
        The number of seeds of the study; the result is NaN below two.
    """
    if pilot.pairs < 2 or math.isnan(pilot.sd) or math.isnan(region) or seeds < 2:
        return math.nan
    error = pilot.sd * math.sqrt(1 / seeds + (pilot.widened**2 - 1) / pilot.pairs)
    if error == 0:
        return float(abs(effect) > region if effect else True)
    df = seeds - 1
    reach = t_quantile(1 - ALPHA / 2, df)
    if effect == 0:
        # The probability that the interval fits into the region, averaged over the distribution of the estimated spread.
        spreads = [math.sqrt(chi_square_quantile((i + 0.5) / _GRID, df) / df) for i in range(_GRID)]
        rooms = [region / error - reach * spread for spread in spreads]
        return sum(2 * normal_cdf(room) - 1 for room in rooms if room > 0) / _GRID
    return 1 - noncentral_t_cdf(reach, df, (abs(effect) - region) / error)


def seeds_to_settle(d: Difference, region: float, alpha: float, examples: int = 0) -> Seeds:
    """Return how many paired seeds in total would give a verdict.

    The measured mean and spread are not taken as the true ones, because few seeds estimate them poorly. Instead, the results of
    further seeds are drawn from their posterior predictive distribution, given the seeds so far and flat priors. The numbers
    returned are the first with which 50 % and 80 % of these draws reach a verdict: the assurance of O'Hagan, Stevens &
    Campbell (2005), Pharmaceutical Statistics 4:187.

    Parameters
    ----------
    d : Difference
        A difference with at least two pairs.
    region : float
        Half the width of the region of equivalence.
    alpha : float
        The level of the interval, if `d` has no interval among all arms yet from which the level can be computed.
    examples : int
        See Contrast. With too few test examples for the region, no difference can be shown to lie within it.
    """
    ahead = _ahead(max(d.pairs + 1, MIN_PAIRS))
    settled = _settled(d, region, _level(d, alpha), ahead)
    if examples:
        settled[1][3 / (examples * ahead) > region] = 0.0
    share = settled.sum(0)
    return Seeds(*(float(next(iter(ahead[share >= least]), math.inf)) for least in (0.5, POWER)))


def _ahead(first: int) -> Floats:
    """Return increasing numbers of seeds up to MOST, each about a twelfth more than the one before."""
    numbers = [first]
    while numbers[-1] < MOST:
        numbers.append(min(max(numbers[-1] + 1, round(numbers[-1] * 13 / 12)), MOST))
    return np.array(numbers, dtype=float)


def _level(d: Difference, alpha: float) -> float:
    """Return the level at which Student's t gives the interval of `d`; `alpha` if `d` has no such interval."""
    half = (d.high - d.low) / 2
    if d.pairs < MIN_PAIRS or not math.isfinite(half) or d.error == 0:
        return alpha
    return min(max(2 * t_cdf(-half / d.error, d.df), 1e-9), 0.5)


def _settled(d: Difference, region: float, level: float, ahead: Floats) -> Floats:
    """Return the shares of simulated studies that end beyond the region, and within it, [2, len(ahead)]."""
    n = d.pairs
    new = ahead - n
    # The variance of the new seeds follows Wilson & Hilferty (1931): a chi-square's cube root is approximately normal.
    df = np.maximum(new - 1, 1)
    fixed = (d.widened**2 - 1) * d.sd**2 / n  # the part of the error that more seeds do not reduce
    quantile = np.array([t_quantile(1 - level / 2, df) for df in ahead - 1])
    settled = np.zeros((2, len(ahead)))
    for start in range(0, _DRAWS, _AT_ONCE):
        first, later, spreads, sds = (drawn[start : start + _AT_ONCE] for drawn in _draws(n))
        sd = d.sd * sds
        mean = d.mean + sd / math.sqrt(n) * first
        theirs = mean + sd / np.sqrt(new) * later
        ended = (n * d.mean + new * theirs) / ahead
        variance = sd**2 * np.maximum(1 - 2 / (9 * df) + spreads * np.sqrt(2 / (9 * df)), 0.0) ** 3
        between = n * new / ahead * (theirs - d.mean) ** 2
        whole = ((n - 1) * d.sd**2 + np.where(new > 1, new - 1, 0) * variance + between) / (ahead - 1)
        half = quantile * np.sqrt(whole / ahead + fixed)
        settled += (np.abs(ended) - half > region).sum(0), (np.abs(ended) + half <= region).sum(0)
    return settled / _DRAWS


@lru_cache(maxsize=4)
def _draws(n: int) -> tuple[Floats, Floats, Floats, Floats]:
    """Return the random numbers of the studies simulated after n pairs, [_DRAWS, 1] each, the same for every arm."""
    rng = np.random.default_rng(n)
    first, later, spreads = rng.standard_normal((3, _DRAWS, 1))
    return first, later, spreads, np.sqrt((n - 1) / rng.chisquare(n - 1, (_DRAWS, 1)))


def findable(seeds: int, arms: int) -> float:
    """Return the minimal detectable effect, beyond the region, of a study that has not been run yet.

    Parameters
    ----------
    seeds : int
        The number of seeds, at least six.
    arms : int
        The number of arms beside the baseline. More than 30 are treated as 30, because the result hardly changes beyond.

    Returns
    -------
    float
        The effect in standard deviations of the differences over seeds: the median over a few simulated studies of normal
        differences without an effect, half of whose variance comes from the baseline.
    """
    rng, arms = np.random.default_rng((seeds, arms)), min(arms, 30)
    found = []
    for _ in range(_STUDIES[seeds > EXACT]):
        drawn = (rng.standard_normal((seeds, 1)) + rng.standard_normal((seeds, arms))) / math.sqrt(2)
        first = judge([Column(np.arange(seeds), column) for column in drawn.T], seeds, ALPHA)[0]
        d = Difference(seeds, seeds, error=1 / math.sqrt(seeds), df=seeds - 1, low=first.low, high=first.high)
        found.append(detectable(d, 0.0))
    return float(np.nanmedian(found))

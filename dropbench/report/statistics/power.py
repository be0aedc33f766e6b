"""What a comparison could have found, and how many seeds would settle it."""

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
"""More seeds than this are not worth naming."""
AHEAD = (6, 8, 10, 12, 16, 20, 25, 30, 40, 50, 65, 80, 100, 130, 160, 200, 300, 400, 500, 700, MOST)
"""Numbers of seeds that a study to come may have."""
_DRAWS, _AT_ONCE = 2_000, 250
"""Studies that are simulated, and how many of them together: what they take stays in a processor's cache."""
_GRID = 200
_STUDIES = (25, 8)
"""Of few seeds, and of so many that one study is much like another."""


class Seeds(NamedTuple):
    """How many seeds in all settle a contrast with an even chance, and how many with one of four in five.

    Infinite beyond MOST, NaN where nothing can be said.
    """

    even: float
    likely: float


UNKNOWN = Seeds(math.nan, math.nan)


def detectable(d: Difference, region: float) -> float:
    """The minimal detectable effect: the true difference that is told in 80 % of studies of this size.

    The region, half of the interval that was found among so many arms, and what leaves 80 % beyond it. That allows for two
    measured spreads, this study's, in which the effect is told here, and the next one's, which will judge it: each is off by
    about one part in √(2 df).
    """
    half = (d.high - d.low) / 2
    if not math.isfinite(half) or not d.error:
        return math.nan
    return _detectable(half / d.error, d.error, d.df, region)


def detectable_with(d: Difference, region: float, alpha: float, seeds: int) -> float:
    """The true difference that 80 % of studies with this many paired seeds would tell, if differences vary as much as in `d`.

    With `d.pairs` seeds it is `detectable`. What the test examples add to the error (`Difference.widened`) more seeds do not
    make smaller.

    Parameters
    ----------
    d : Difference
        Of two pairs at least.
    region, alpha : float
        As in `seeds_to_settle`.
    seeds : int
        At least two.
    """
    df = seeds - 1
    error = d.sd * math.sqrt(1 / seeds + (d.widened**2 - 1) / d.pairs)
    return _detectable(t_quantile(1 - _level(d, alpha) / 2, df), error, df, region) if error else math.nan


def _detectable(h: float, error: float, df: float, region: float) -> float:
    """h: half the interval in standard errors."""
    beyond = NORMAL_POWER
    for _ in range(30):
        beyond = NORMAL_POWER * math.sqrt(1 + ((h + beyond) ** 2 + h**2) / (2 * df))
    return (region if math.isfinite(region) else 0.0) + (h + beyond) * error


def power_at(effect: float, region: float, pilot: Difference, seeds: int) -> float:
    """How likely a study of so many seeds is to tell a true effect of this size, in [0, 1], by a pilot's spread.

    To tell is that a 95 % interval by Student's t lies beyond the region; of an effect of 0 that it lies within it. What
    examples add to the error (`Difference.widened`) more seeds do not make smaller.

    Parameters
    ----------
    effect, region : float
        In the measure's unit; their sizes count.
    pilot : Difference
        Of two pairs at least; NaN comes of fewer.
    seeds : int
        Of the study, at least two.
    """
    if pilot.pairs < 2 or math.isnan(pilot.sd) or math.isnan(region) or seeds < 2:
        return math.nan
    error = pilot.sd * math.sqrt(1 / seeds + (pilot.widened**2 - 1) / pilot.pairs)
    if error == 0:
        return float(abs(effect) > region if effect else True)
    df = seeds - 1
    reach = t_quantile(1 - ALPHA / 2, df)
    if effect == 0:
        # Over what the measured spread may be: how likely the mean is to leave room for the interval within the region.
        spreads = [math.sqrt(chi_square_quantile((i + 0.5) / _GRID, df) / df) for i in range(_GRID)]
        rooms = [region / error - reach * spread for spread in spreads]
        return sum(2 * normal_cdf(room) - 1 for room in rooms if room > 0) / _GRID
    return 1 - noncentral_t_cdf(reach, df, (abs(effect) - region) / error)


def seeds_to_settle(d: Difference, region: float, alpha: float, examples: int = 0) -> Seeds:
    """How many paired seeds would give a verdict.

    Mean and spread are not taken for the true ones, which so few seeds do not know: what further seeds may bring is drawn from
    all that is compatible with those that are there (flat priors), and that number of seeds is told which settles so large a
    share of it. (The assurance of O'Hagan, Stevens & Campbell 2005, Pharmaceutical Statistics 4:187.)

    Parameters
    ----------
    d : Difference
        Of two pairs at least.
    region : float
        Half the width of what counts as no difference.
    alpha : float
        The level to take where there is no interval yet from which to read what the family asks of one arm.
    examples : int
        See Contrast: a region that so few cannot fill is no region to fit into.
    """
    ahead = _ahead(max(d.pairs + 1, MIN_PAIRS))
    settled = _settled(d, region, _level(d, alpha), ahead)
    if examples:
        settled[1][3 / (examples * ahead) > region] = 0.0
    share = settled.sum(0)
    return Seeds(*(float(next(iter(ahead[share >= least]), math.inf)) for least in (0.5, POWER)))


def _ahead(first: int) -> Floats:
    """Numbers of seeds, each a twelfth more than the one before."""
    numbers = [first]
    while numbers[-1] < MOST:
        numbers.append(min(max(numbers[-1] + 1, round(numbers[-1] * 13 / 12)), MOST))
    return np.array(numbers, dtype=float)


def _level(d: Difference, alpha: float) -> float:
    """At which Student's t gives the interval that was found."""
    half = (d.high - d.low) / 2
    if d.pairs < MIN_PAIRS or not math.isfinite(half) or d.error == 0:
        return alpha
    return min(max(2 * t_cdf(-half / d.error, d.df), 1e-9), 0.5)


def _settled(d: Difference, region: float, level: float, ahead: Floats) -> Floats:
    """Of studies of so many seeds the shares that end beyond the region and within it, [2, len(ahead)]."""
    n = d.pairs
    new = ahead - n
    # The variance of the new seeds by Wilson & Hilferty (1931): a chi-square's cube root is about normal.
    df = np.maximum(new - 1, 1)
    fixed = (d.widened**2 - 1) * d.sd**2 / n  # what more seeds do not make smaller
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
    """Of the studies that are simulated after n pairs, the same for every arm: [_DRAWS, 1] each."""
    rng = np.random.default_rng(n)
    first, later, spreads = rng.standard_normal((3, _DRAWS, 1))
    return first, later, spreads, np.sqrt((n - 1) / rng.chisquare(n - 1, (_DRAWS, 1)))


def findable(seeds: int, arms: int) -> float:
    """The minimal detectable effect beyond the region of a study that is still to be made.

    Parameters
    ----------
    seeds : int
        At least six.
    arms : int
        Beside the baseline; of more than 30 what 30 take, which hardly differs.

    Returns
    -------
    float
        In standard deviations of the differences between seeds: the median over a few simulated studies of normal differences
        without an effect, half of whose variance is the baseline's.
    """
    rng, arms = np.random.default_rng((seeds, arms)), min(arms, 30)
    found = []
    for _ in range(_STUDIES[seeds > EXACT]):
        drawn = (rng.standard_normal((seeds, 1)) + rng.standard_normal((seeds, arms))) / math.sqrt(2)
        first = judge([Column(np.arange(seeds), column) for column in drawn.T], seeds, ALPHA)[0]
        d = Difference(seeds, seeds, error=1 / math.sqrt(seeds), df=seeds - 1, low=first.low, high=first.high)
        found.append(detectable(d, 0.0))
    return float(np.nanmedian(found))

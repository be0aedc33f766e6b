"""The interval for a mean difference over paired seeds: bootstrap-t, with Student's t where that cannot be had.

Bootstrap-t: Efron & Tibshirani, An Introduction to the Bootstrap (1993), section 12.5. Chosen by simulated coverage, see
docs/statistics.md: with six pairs of normal differences BCa covers 85 % instead of 95 %, this 95 %.
"""

from __future__ import annotations

import math
from functools import lru_cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from dropbench.report.records.scores import Floats
from dropbench.report.statistics.distributions import t_quantile

CONFIDENCE = 0.95
ALPHA = 0.05
"""How often an interval, or any of those that hold together, may miss."""
MIN_PAIRS = 6
"""With n pairs a two-sided sign-flip test reaches p = 2/2^n at best: .0625 for five, .031 for six."""
RESAMPLES = 9_999
BOOTSTRAP_T, STUDENT_T = "bootstrap-t", "t"


def confidence(alpha: float = ALPHA) -> str:
    """How sure intervals are that miss so often, as people say it: `95 %`, `99.7 %`."""
    return f"{100 * (1 - alpha):.3g} %"


class Interval(NamedTuple):
    """The limits of a 95 % interval, and the name of the method that gave them."""

    low: float
    high: float
    method: str


def interval(differences: Floats) -> Interval:
    """A 95 % interval for the mean of n finite differences, [n]; NaN limits where n < 2. See `bands`."""
    low, high, by_bootstrap = _limits(differences[:, None])
    return Interval(float(low[0]), float(high[0]), BOOTSTRAP_T if by_bootstrap[0] else STUDENT_T)


def bands(samples: Floats) -> tuple[Floats, Floats]:
    """95 % limits for the mean of each column of finite values [n, m], each [m]; NaN where n < 2.

    Student's t with fewer than six pairs, whose resamples are too few to be a distribution, and where so many differences
    are equal that a limit of the bootstrap would be infinite.
    """
    low, high, _ = _limits(samples)
    return low, high


def _limits(samples: Floats) -> tuple[Floats, Floats, NDArray[np.bool_]]:
    """With which columns are by the bootstrap."""
    n, m = samples.shape
    if n < 2:
        return np.full(m, np.nan), np.full(m, np.nan), np.zeros(m, bool)
    low, high = student_t(samples)
    if n < MIN_PAIRS:
        return low, high, np.zeros(m, bool)
    lower, upper = bootstrap_t(samples)
    finite = np.isfinite(lower) & np.isfinite(upper)
    return np.where(finite, lower, low), np.where(finite, upper, high), finite


def bootstrap_t(samples: Floats) -> tuple[Floats, Floats]:
    """Equal-tailed limits for the mean of each column of [n, m]; infinite where resamples without spread fill a tail."""
    n = len(samples)
    weights = _resamples(n)
    mean, deviation = samples.mean(0), samples.std(0, ddof=1)
    centred = samples - mean
    shift = weights @ centred / n
    variance = (weights @ centred**2 / n - shift**2) * n / (n - 1)
    flat = variance <= 1e-10 * deviation**2  # all of a resample is one value
    with np.errstate(divide="ignore", invalid="ignore"):
        t = shift / np.sqrt(np.where(flat, 0.0, variance) / n)
    t[flat & (np.abs(shift) <= 1e-7 * deviation)] = 0.0
    t.sort(axis=0)
    tail = (1 - CONFIDENCE) / 2
    lower, upper = (t[round(p * (len(weights) + 1)) - 1] for p in (tail, 1 - tail))
    error = deviation / math.sqrt(n)
    with np.errstate(invalid="ignore"):
        low, high = mean - upper * error, mean - lower * error
    same = deviation == 0
    return np.where(same, mean, low), np.where(same, mean, high)


def student_t(samples: Floats) -> tuple[Floats, Floats]:
    """Student's limits for the mean of each column of [n, m], n - 1 degrees of freedom."""
    n = len(samples)
    mean = samples.mean(0)
    half = t_quantile((1 + CONFIDENCE) / 2, n - 1) * samples.std(0, ddof=1) / math.sqrt(n)
    return mean - half, mean + half


@lru_cache(maxsize=4)
def _resamples(n: int) -> Floats:
    """How often each of n values is in each resample, [RESAMPLES, n]. Seeded by n: the same data, the same limits."""
    return np.random.default_rng(n).multinomial(n, [1 / n] * n, size=RESAMPLES).astype(float)

"""The interval for a mean difference over paired seeds: bootstrap-t, or Student's t with few pairs or many equal differences.

Bootstrap-t is from Efron & Tibshirani, An Introduction to the Bootstrap (1993), section 12.5. It was chosen by simulated
coverage, see docs/statistics.md: with six pairs of normal differences its 95 % interval covers 95 %, that of BCa 85 %.
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
"""The error rate: the probability that an interval, or any of several simultaneous intervals, misses the true value."""
MIN_PAIRS = 6
"""The fewest pairs for a verdict: a two-sided sign-flip test of n pairs has p >= 2/2^n, .0625 for five and .031 for six."""
RESAMPLES = 9_999
BOOTSTRAP_T, STUDENT_T = "bootstrap-t", "t"


def confidence(alpha: float = ALPHA) -> str:
    """Return the confidence level for an error rate as text: `95 %`, `99.7 %`, and never `100 %` for 99.96 %."""
    texts = (f"{100 * (1 - alpha):.{digits}g}" for digits in range(3, 16))
    return f"{next((text for text in texts if float(text) < 100), '100')} %"


class Interval(NamedTuple):
    """The limits of a 95 % interval, and the name of the method that gave them."""

    low: float
    high: float
    method: str


def interval(differences: Floats) -> Interval:
    """Return the 95 % interval for the mean of n finite differences, [n]; NaN limits if n < 2. See `bands`."""
    low, high, by_bootstrap = _limits(differences[:, None])
    return Interval(float(low[0]), float(high[0]), BOOTSTRAP_T if by_bootstrap[0] else STUDENT_T)


def bands(samples: Floats) -> tuple[Floats, Floats]:
    """Return the lower and upper 95 % limits, [m] each, for the mean of each column of finite values [n, m]; NaN if n < 2.

    Student's t is used with fewer than six pairs, which have too few distinct resamples, and if so many differences are equal
    that a limit of the bootstrap would be infinite.
    """
    low, high, _ = _limits(samples)
    return low, high


def _limits(samples: Floats) -> tuple[Floats, Floats, NDArray[np.bool_]]:
    """Return what `bands` returns, and for each column whether its limits are by the bootstrap."""
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
    """Return equal-tailed limits for the mean of each column of [n, m]; infinite if resamples without spread fill a tail."""
    n = len(samples)
    weights = _resamples(n)
    mean, deviation = samples.mean(0), samples.std(0, ddof=1)
    centred = samples - mean
    shift = weights @ centred / n
    variance = (weights @ centred**2 / n - shift**2) * n / (n - 1)
    flat = variance <= 1e-10 * deviation**2  # the resample consists of one repeated value
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
    """Return Student's limits for the mean of each column of [n, m], with n - 1 degrees of freedom."""
    n = len(samples)
    mean = samples.mean(0)
    half = t_quantile((1 + CONFIDENCE) / 2, n - 1) * samples.std(0, ddof=1) / math.sqrt(n)
    return mean - half, mean + half


@lru_cache(maxsize=4)
def _resamples(n: int) -> Floats:
    """Return how often each of n values occurs in each resample, [RESAMPLES, n]; seeded by n, so results are reproducible."""
    return np.random.default_rng(n).multinomial(n, [1 / n] * n, size=RESAMPLES).astype(float)

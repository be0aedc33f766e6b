"""A mean difference and everything computed from it: interval, p and the probability of doing better.

The seed is the unit of analysis. An arm and the baseline under one seed share data, initialisation and noise, so a difference
is computed within each seed first. Arms that share no seed with the baseline are compared as independent samples (Welch).
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np

from dropbench.report.records.scores import Floats
from dropbench.report.statistics import improvement
from dropbench.report.statistics.distributions import t_cdf, t_quantile
from dropbench.report.statistics.interval import ALPHA, CONFIDENCE, MIN_PAIRS, STUDENT_T
from dropbench.report.statistics.permutation import sign_flip

WELCH = "Welch t"
FLIPPED = "sign flips"
_ROUNDING = 1e-6
"""A spread below this share of a step is an error of rounding."""


@dataclass(frozen=True)
class Difference:
    """A mean difference in the measure's own unit; values that cannot be computed are NaN.

    Parameters
    ----------
    pairs : int
        The number of seeds with a difference.
    n : int
        The sample size: the number of pairs or, without pairs, the number of runs of the smaller sample.
    finished : int
        The same without those that diverged; mean and interval are computed from these.
    mean : float
        The mean of the differences or, without pairs, the difference of the means.
    sd : float
        The standard deviation of the differences (ddof 1); NaN without pairs.
    error, df : float
        The standard error of the mean and its degrees of freedom; above 0 even if all seeds agree on a share of examples.
    low, high : float
        The limits of the interval that holds for all arms at once.
    alone : tuple
        The limits of the 95 % interval that this arm would have by itself.
    interval : str
        The name of the method that gave the limits.
    p : float
        The two-sided p value of this arm by itself.
    p_adjusted : float
        The two-sided p value among all arms.
    widened : float
        How many times wider the intervals are than seeds alone would make them, at least 1.
    chance : Probability
        The probability that the arm does better once more.
    lost, won, tied : int
        The number of pairs in which only the arm diverged, only the baseline diverged, and both did. A diverged run is the
        worst by rank in `p` and `chance`; mean, sd, error and interval leave such pairs out.
    """

    pairs: int = 0
    n: int = 0
    mean: float = math.nan
    sd: float = math.nan
    error: float = math.nan
    df: float = math.nan
    low: float = math.nan
    high: float = math.nan
    alone: tuple[float, float] = (math.nan, math.nan)
    interval: str = ""
    p: float = math.nan
    p_adjusted: float = math.nan
    widened: float = 1.0
    chance: improvement.Probability = improvement.UNKNOWN
    finished: int = 0
    lost: int = 0
    won: int = 0
    tied: int = 0

    @property
    def diverged(self) -> int:
        """The number of pairs with a run that diverged; without pairs, the number of runs that diverged."""
        return self.lost + self.won + self.tied


def paired(differences: Floats, sign: int = 1, widened: float = 1.0) -> Difference:
    """Return the Difference of paired differences, without interval and p if one is infinite or there is only one.

    With fewer than six pairs, which confirm nothing, the interval is Student's t. With six or more, interval and p are left
    NaN, because they are computed for the whole family (family.py).

    Parameters
    ----------
    differences : array [n]
        In the order of the seeds.
    sign : int
        1 if higher is better, -1 if lower is better, 0 if neither is known to be.
    widened : float
        See Difference.
    """
    n = len(differences)
    if n == 0:
        return Difference()
    if n == 1 or not np.isfinite(differences).all():
        with np.errstate(invalid="ignore"):
            return Difference(n, n, float(differences.mean()), finished=n)
    mean, sd = float(differences.mean()), float(differences.std(ddof=1))
    d = Difference(
        pairs=n,
        n=n,
        mean=mean,
        sd=sd,
        error=widened * sd / math.sqrt(n),
        df=n - 1,
        widened=widened,
        chance=improvement.paired(differences, sign),
        finished=n,
    )
    if n >= MIN_PAIRS:
        return d
    half = t_quantile((1 + CONFIDENCE) / 2, n - 1) * d.error
    p = float(sign_flip(differences[:, None])[0])
    limits = mean - half, mean + half
    return replace(d, low=limits[0], high=limits[1], alone=limits, interval=STUDENT_T, p=p, p_adjusted=p)


def agreeing(d: Difference, step: float, alpha: float, tests: int) -> Difference:
    """Return a Difference whose seeds all agree with an interval that is not a point; any other as it is.

    A score is a share of some test examples, so it moves in steps. That all seeds agree does not show that they do not vary,
    only that they vary by less than a step. Their spread is taken to be what one seed would make it that is one step away from
    all others: step / √n. The interval is Student's t; with MIN_PAIRS seeds or more it is made at the level alpha / tests.

    Parameters
    ----------
    d : Difference
        A difference of scores that are shares of examples.
    step : float
        1 / (number of test examples of one seed).
    alpha, tests : float, int
        As in `unpaired`.
    """
    n = d.finished
    if n < 2 or not d.pairs or not d.sd < _ROUNDING * step:
        return d
    if n < MIN_PAIRS:  # as in `paired`, at any look and for any number of comparisons
        alpha, tests = 1 - CONFIDENCE, 1
    error = d.widened * step / n
    alone, half = (t_quantile(1 - level / 2, n - 1) * error for level in (alpha, alpha / tests))
    return replace(
        d,
        error=error,
        low=d.mean - half,
        high=d.mean + half,
        alone=(d.mean - alone, d.mean + alone),
        interval=STUDENT_T,
    )


def unpaired(arm: Floats, baseline: Floats, sign: int = 1, tests: int = 1, alpha: float = ALPHA) -> Difference:
    """Return the Difference of independent runs by Welch's t (Welch 1947), which allows for unequal variances.

    Parameters
    ----------
    arm, baseline : array [n], array [m]
        Scores. There is no interval if one is infinite or a sample has only one.
    sign : int
        1 if higher is better, -1 if lower is better, 0 if neither is known to be.
    tests : int
        The number of comparisons; this one is made at the level alpha / tests (Bonferroni).
    alpha : float
        The probability that any of the intervals misses its true value.
    """
    n, m = len(arm), len(baseline)
    if n == 0 or m == 0:
        return Difference()
    with np.errstate(invalid="ignore"):
        mean = float(arm.mean() - baseline.mean())
    if min(n, m) < 2 or not (np.isfinite(arm).all() and np.isfinite(baseline).all()):
        return Difference(0, min(n, m), mean, finished=min(n, m))
    ours, theirs = float(arm.var(ddof=1)) / n, float(baseline.var(ddof=1)) / m
    error = math.sqrt(ours + theirs)
    df = (ours + theirs) ** 2 / (ours**2 / (n - 1) + theirs**2 / (m - 1)) if error else n + m - 2.0
    alone, half = (t_quantile(1 - level / 2, df) * error for level in (alpha, alpha / tests))
    p = _two_sided(mean, error, df)
    return Difference(
        n=min(n, m),
        mean=mean,
        error=error,
        df=df,
        low=mean - half,
        high=mean + half,
        alone=(mean - alone, mean + alone),
        interval=WELCH,
        p=p,
        p_adjusted=min(1.0, tests * p),
        chance=improvement.unpaired(arm, baseline, sign),
        finished=min(n, m),
    )


def _two_sided(mean: float, error: float, df: float) -> float:
    if error == 0:
        return 1.0 if mean == 0 else 0.0
    return 2 * t_cdf(-abs(mean) / error, df)

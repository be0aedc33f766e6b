"""One mean difference with all that is computed from it: interval, p and the probability of doing better.

The seed is the unit: an arm and the baseline under one seed share data, initialisation and noise, so a difference is
taken within each seed first. Arms that share no seed with the baseline are compared as independent samples (Welch).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from dropbench.report.records.scores import Floats
from dropbench.report.statistics import improvement
from dropbench.report.statistics.distributions import t_cdf, t_quantile
from dropbench.report.statistics.interval import interval
from dropbench.report.statistics.permutation import sign_flip

WELCH = "Welch t"


@dataclass(frozen=True)
class Difference:
    """A mean difference in the measure's own unit; NaN for what cannot be told.

    Parameters
    ----------
    pairs : int
        Seeds with a difference.
    n : int
        What the numbers rest on: the pairs, or the smaller sample's runs without any.
    finished : int
        The same without what diverged, on which mean and interval rest.
    mean : float
        Of the differences, or the difference of the means.
    sd : float
        Of the differences (ddof 1); NaN without pairs.
    error, df : float
        Standard error of the mean and its degrees of freedom.
    low, high : float
        Limits of the 95 % interval.
    interval : str
        The name of the method that gave them.
    p : float
        Two-sided.
    chance : Probability
        Of doing better once more.
    lost, won, tied : int
        Of the pairs, those in which the arm alone diverged, the baseline alone, and both. They are worst by rank in `p` and
        `chance`, and in none of mean, sd, error and interval, which are of the others.
    """

    pairs: int = 0
    n: int = 0
    mean: float = math.nan
    sd: float = math.nan
    error: float = math.nan
    df: float = math.nan
    low: float = math.nan
    high: float = math.nan
    interval: str = ""
    p: float = math.nan
    chance: improvement.Probability = improvement.UNKNOWN
    finished: int = 0
    lost: int = 0
    won: int = 0
    tied: int = 0

    @property
    def diverged(self) -> int:
        """Pairs with a run that diverged; without pairs, runs that did."""
        return self.lost + self.won + self.tied


def paired(differences: Floats, sign: int = 1) -> Difference:
    """Of paired differences; without an interval where one is infinite or there is only one.

    Parameters
    ----------
    differences : array [n]
        In the order of the seeds, on which resampling depends.
    sign : int
        1 where higher is better, -1 where lower is, 0 where neither is known to be.
    """
    n = len(differences)
    if n == 0:
        return Difference()
    if n == 1 or not np.isfinite(differences).all():
        with np.errstate(invalid="ignore"):
            return Difference(n, n, float(differences.mean()), finished=n)
    sd = float(differences.std(ddof=1))
    limits = interval(differences)
    return Difference(
        pairs=n,
        n=n,
        mean=float(differences.mean()),
        sd=sd,
        error=sd / math.sqrt(n),
        df=n - 1,
        low=limits.low,
        high=limits.high,
        interval=limits.method,
        p=float(sign_flip(differences[:, None])[0]),
        chance=improvement.paired(differences, sign),
        finished=n,
    )


def unpaired(arm: Floats, baseline: Floats, sign: int = 1) -> Difference:
    """Of independent runs: Welch's t (Welch 1947), which lets the arms have different variances.

    Parameters
    ----------
    arm, baseline : array [n], array [m]
        Scores; without an interval where one is infinite or a sample has only one.
    sign : int
        1 where higher is better, -1 where lower is, 0 where neither is known to be.
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
    half = t_quantile(0.975, df) * error
    return Difference(
        n=min(n, m),
        mean=mean,
        error=error,
        df=df,
        low=mean - half,
        high=mean + half,
        interval=WELCH,
        p=_two_sided(mean, error, df),
        chance=improvement.unpaired(arm, baseline, sign),
        finished=min(n, m),
    )


def _two_sided(mean: float, error: float, df: float) -> float:
    if error == 0:
        return 1.0 if mean == 0 else 0.0
    return 2 * t_cdf(-abs(mean) / error, df)

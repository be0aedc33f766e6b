"""The probability that an arm beats the baseline in a single comparison, with its interval.

With pairs, it is the probability of beating it under one more seed, estimated by the share of seeds where the arm did. Without
pairs, it is the probability that one run of the arm beats one run of the baseline (the Mann-Whitney statistic; Agarwal et al.
2021, arXiv:2108.13264). Ties count half.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from dropbench.report.records.scores import Floats

Z = 1.959963984540054
"""The normal quantile of .975."""


class Probability(NamedTuple):
    """A probability with the limits of its 95 % interval; all NaN if it cannot be estimated."""

    value: float
    low: float
    high: float


UNKNOWN = Probability(math.nan, math.nan, math.nan)


def paired(differences: Floats, sign: int) -> Probability:
    """Return the probability that one more seed favours the arm, with Wilson's interval for a proportion (Wilson 1927).

    Parameters
    ----------
    differences : array [n]
        Arm minus baseline, one value per seed.
    sign : int
        1 if higher is better, -1 if lower is better, 0 if neither is known to be; then the result is `UNKNOWN`.
    """
    n = len(differences)
    if n == 0 or sign == 0:
        return UNKNOWN
    share = float(((sign * differences > 0).sum() + 0.5 * (differences == 0).sum()) / n)
    centre = (share + Z**2 / (2 * n)) / (1 + Z**2 / n)
    half = Z / (1 + Z**2 / n) * math.sqrt(share * (1 - share) / n + Z**2 / (4 * n**2))
    return Probability(share, max(0.0, centre - half), min(1.0, centre + half))


def unpaired(arm: Floats, baseline: Floats, sign: int) -> Probability:
    """Return the probability that one run of the arm beats one run of the baseline.

    The interval is Newcombe's method 5 (Statistics in Medicine 25:559-573, 2006).

    Parameters
    ----------
    arm, baseline : array [n], array [m]
        Scores of independent runs.
    sign : int
        As in `paired`.
    """
    n, m = len(arm), len(baseline)
    if n == 0 or m == 0 or sign == 0:
        return UNKNOWN
    above = sign * np.subtract.outer(arm, baseline)
    value = float((above > 0).mean() + 0.5 * (above == 0).mean())
    extra = (n + m) / 2 - 1

    def beyond(theta: float) -> float:
        spread = theta * (1 - theta) * (1 + extra * (1 - theta) / (2 - theta) + extra * theta / (1 + theta)) / (n * m)
        return abs(value - theta) - Z * math.sqrt(max(spread, 0.0))

    def limit(inside: float, outside: float) -> float:
        """Find by bisection the point between the two arguments at which `beyond` turns positive."""
        for _ in range(60):
            middle = (inside + outside) / 2
            inside, outside = (inside, middle) if beyond(middle) > 0 else (middle, outside)
        return inside

    return Probability(value, limit(value, 0.0), limit(value, 1.0))

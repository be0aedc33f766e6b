"""Rank tests for results that include diverged runs, which have no score but are worse than every run that has one.

Such results have no mean, but they have ranks: Wilcoxon's signed ranks for paired seeds, the rank sum for independent runs.
Both are permutation tests, so ties and infinite values need no special theory.
"""

from __future__ import annotations

import itertools
import math
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from dropbench.report.records.scores import Floats
from dropbench.report.statistics.permutation import FLIPS, sign_flip

MOST_SPLITS = 20_000
"""Up to this many ways to divide the scores between two arms, all are tried; beyond, FLIPS random ones."""


def signed_ranks(outcomes: Floats) -> Floats:
    """Return the rank of each paired outcome by absolute value, with the outcome's sign, [n].

    Infinite outcomes share the highest ranks. Outcomes of 0 are ranked too, but count for neither side (Pratt 1959).
    """
    steps = _steps(outcomes)
    return np.sign(steps) * _ranks(np.abs(steps))


def paired(outcomes: Floats) -> float:
    """Return the two-sided p of paired outcomes [n], which say how much better the arm did under each seed.

    An outcome is infinite if one of the two runs diverged, and 0 if both did.
    """
    return float(sign_flip(signed_ranks(outcomes)[:, None])[0])


def unpaired(arm: Floats, other: Floats, region: float, alpha: float) -> tuple[float, int]:
    """Return the two-sided p of two independent samples of scores, and the side of the region on which they differ.

    Parameters
    ----------
    arm, other : array [n], array [m]
        Scores, of which higher is better; -inf for a run that diverged.
    region : float
        Half the width of the region of equivalence; if it is not finite, 0 is used.
    alpha : float
        Twice the level of the one-sided tests at the edges of the region, as for the two ends of an interval.

    Returns
    -------
    tuple
        p, and 1 or -1 if the arm is better or worse by more than the region, else 0.
    """
    p = min(1.0, 2 * min(_rank_sum(arm, other)))
    edge = region if math.isfinite(region) else 0.0
    for side in (1, -1):
        if _rank_sum(side * arm - edge, side * other)[0] <= alpha / 2:
            return p, side
    return p, 0


def _rank_sum(arm: Floats, other: Floats) -> tuple[float, float]:
    """Return the one-sided p values: how often a random division gives the arm a rank sum at least as high, and as low."""
    ranks = _ranks(_steps(np.concatenate([arm, other])))
    n = len(arm)
    sums = ranks[_splits(len(ranks), n)].sum(1)
    found = ranks[:n].sum()
    observed = 0 if math.comb(len(ranks), n) <= MOST_SPLITS else 1  # random ones count the observed one too
    tries = len(sums) + observed
    return float((sums >= found).sum() + observed) / tries, float((sums <= found).sum() + observed) / tries


@lru_cache(maxsize=4)
def _splits(total: int, n: int) -> NDArray[np.int_]:
    """Return the indices of the arm's n scores, one row per division: all, or FLIPS random ones seeded by the sizes."""
    if math.comb(total, n) <= MOST_SPLITS:
        return np.array(list(itertools.combinations(range(total), n)))
    rng = np.random.default_rng((total, n))
    return rng.permuted(np.tile(np.arange(total), (FLIPS, 1)), axis=1)[:, :n]


def _ranks(values: Floats) -> Floats:
    """Return ranks from 1; equal values get the mean of the ranks that they share."""
    _, place, times = np.unique(values, return_inverse=True, return_counts=True)
    ranks: Floats = (np.cumsum(times) - (times - 1) / 2)[place]
    return ranks


def _steps(values: Floats) -> Floats:
    """Round to multiples of a tiny step, so that values that differ only by rounding are equal: 0.9 - 0.8 and 0.8 - 0.7."""
    finite = np.abs(values[np.isfinite(values)])
    return np.round(values / (1e-10 * float(finite.max(initial=0.0)) or 1.0))

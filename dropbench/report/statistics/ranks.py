"""Tests for seeds of which some have no score but an order: one that diverged is worse than every one that did not.

Where a mean cannot be had ranks can: Wilcoxon's signed ranks of paired seeds, the rank sum of independent ones. Both by
permutation, so that ties and infinities need no theory of their own.
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
"""Up to here every way to deal the scores to two arms is tried; beyond, FLIPS random ones."""


def signed_ranks(outcomes: Floats) -> Floats:
    """Each paired outcome's rank by size, with its sign, [n].

    Infinite ones share the highest ranks. Outcomes of 0 are ranked too and count for neither side (Pratt 1959).
    """
    steps = _steps(outcomes)
    return np.sign(steps) * _ranks(np.abs(steps))


def paired(outcomes: Floats) -> float:
    """The two-sided p of paired outcomes [n]: how much better the arm did under each seed.

    Infinite where one of the two diverged, 0 where both did.
    """
    return float(sign_flip(signed_ranks(outcomes)[:, None])[0])


def unpaired(arm: Floats, other: Floats, region: float, alpha: float) -> tuple[float, int]:
    """The two-sided p of two independent samples of scores, and on which side of the region they lie.

    Parameters
    ----------
    arm, other : array [n], array [m]
        Higher is better, and -inf is what diverged.
    region : float
        Half the width of what counts as no difference; 0 is taken for one that is not known.
    alpha : float
        Half of it is the level of the one-sided tests at the region's edges, as of the ends of an interval.

    Returns
    -------
    tuple
        p, and 1 or -1 where the arm is better or worse by more than the region, else 0.
    """
    p = min(1.0, 2 * min(_rank_sum(arm, other)))
    edge = region if math.isfinite(region) else 0.0
    for side in (1, -1):
        if _rank_sum(side * arm - edge, side * other)[0] <= alpha / 2:
            return p, side
    return p, 0


def _rank_sum(arm: Floats, other: Floats) -> tuple[float, float]:
    """How often chance alone deals the arm a sum of ranks at least as high, and at least as low."""
    ranks = _ranks(_steps(np.concatenate([arm, other])))
    n = len(arm)
    sums = ranks[_splits(len(ranks), n)].sum(1)
    found = ranks[:n].sum()
    observed = 0 if math.comb(len(ranks), n) <= MOST_SPLITS else 1  # random ones count the observed one too
    tries = len(sums) + observed
    return float((sums >= found).sum() + observed) / tries, float((sums <= found).sum() + observed) / tries


@lru_cache(maxsize=4)
def _splits(total: int, n: int) -> NDArray[np.int_]:
    """Which n of all scores are the arm's, a row each: all ways, or FLIPS random ones. Seeded by the sizes."""
    if math.comb(total, n) <= MOST_SPLITS:
        return np.array(list(itertools.combinations(range(total), n)))
    rng = np.random.default_rng((total, n))
    return rng.permuted(np.tile(np.arange(total), (FLIPS, 1)), axis=1)[:, :n]


def _ranks(values: Floats) -> Floats:
    """From 1; equal values have the mean of the ranks that they share."""
    _, place, times = np.unique(values, return_inverse=True, return_counts=True)
    ranks: Floats = (np.cumsum(times) - (times - 1) / 2)[place]
    return ranks


def _steps(values: Floats) -> Floats:
    """In whole steps, so that what is equal but for rounding is equal: 0.9 - 0.8 and 0.8 - 0.7."""
    finite = np.abs(values[np.isfinite(values)])
    return np.round(values / (1e-10 * float(finite.max(initial=0.0)) or 1.0))

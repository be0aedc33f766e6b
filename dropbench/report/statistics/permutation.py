"""Is a difference more than chance: the sign-flip permutation test."""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from dropbench.report.records.scores import Floats

EXACT = 14
"""Up to here every assignment of signs is tried, 2^(n-1) of them by symmetry; beyond, FLIPS random ones."""
FLIPS = 9_999


def sign_flip(samples: Floats) -> Floats:
    """Two-sided p of each column of paired differences [n, m], [m].

    Were there no effect, a difference would be as likely with the other sign: p is the share of sign assignments whose
    sum is at least as far from zero (Fisher 1935, section 21). Random ones count the observed one too (Phipson & Smyth 2010).
    """
    n = len(samples)
    flips = signs(n)
    sums = np.abs(flips @ samples)
    # Sums of the same numbers in another order may differ in the last digit: equal is meant, not less.
    least = np.abs(samples.sum(0)) - 1e-10 * np.abs(samples).sum(0)
    reached = (sums >= least).sum(0)
    share: Floats = reached / len(flips)
    return share


@lru_cache(maxsize=4)
def signs(n: int) -> Floats:
    """Assignments of signs to n seeds, a row of ±1 each; the first is all +, and random ones are seeded by n.

    Up to EXACT seeds all whose first sign is +: flipping a whole row changes no absolute sum.
    """
    if n <= EXACT:
        bits = np.arange(2 ** (n - 1))[:, None] >> np.arange(n - 1) & 1
        return np.hstack([np.ones((len(bits), 1)), 1.0 - 2.0 * bits])
    return np.vstack([np.ones(n), np.random.default_rng(n).choice([-1.0, 1.0], size=(FLIPS, n))])

"""The sign-flip permutation test of paired differences."""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from dropbench.report.records.scores import Floats

EXACT = 14
"""Up to this number of seeds, all assignments of signs are tried, 2^(n-1) by symmetry; with more seeds, FLIPS random ones."""
FLIPS = 9_999


def sign_flip(samples: Floats) -> Floats:
    """Return the two-sided p, [m], of each column of paired differences, [n, m].

    Without an effect, each difference would be as likely with the opposite sign. p is the share of sign assignments whose
    sum is at least as far from zero as the observed one (Fisher 1935, section 21). Random assignments include the observed one
    (Phipson & Smyth 2010).
    """
    n = len(samples)
    flips = signs(n)
    sums = np.abs(flips @ samples)
    # Equal sums may differ in the last digit if their terms are added in another order; such sums have to count as equal.
    least = np.abs(samples.sum(0)) - 1e-10 * np.abs(samples).sum(0)
    reached = (sums >= least).sum(0)
    share: Floats = reached / len(flips)
    return share


@lru_cache(maxsize=4)
def signs(n: int) -> Floats:
    """Return assignments of signs to n seeds, one row of ±1 each; the first is all +1, and random ones are seeded by n.

    Up to EXACT seeds, these are all whose first sign is +, because flipping a whole row changes no absolute sum.
    """
    if n <= EXACT:
        bits = np.arange(2 ** (n - 1))[:, None] >> np.arange(n - 1) & 1
        return np.hstack([np.ones((len(bits), 1)), 1.0 - 2.0 * bits])
    return np.vstack([np.ones(n), np.random.default_rng(n).choice([-1.0, 1.0], size=(FLIPS, n))])

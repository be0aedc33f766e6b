"""Is a difference more than chance: the sign-flip permutation test, and Holm's correction over several arms."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

import numpy as np

from dropbench.report.records.scores import Floats

EXACT = 16
"""Up to here every assignment of signs is tried, 2^(n-1) of them by symmetry; beyond, FLIPS random ones."""
FLIPS = 9_999


def sign_flip(samples: Floats) -> Floats:
    """Two-sided p of each column of paired differences [n, m], [m].

    Were there no effect, a difference would be as likely with the other sign: p is the share of sign assignments whose
    sum is at least as far from zero (Fisher 1935, section 21). Random ones count the observed one too (Phipson & Smyth 2010).
    """
    n = len(samples)
    signs = _signs(n)
    sums = np.abs(signs @ samples)
    # Sums of the same numbers in another order may differ in the last digit: equal is meant, not less.
    least = np.abs(samples.sum(0)) - 1e-10 * np.abs(samples).sum(0)
    reached = (sums >= least).sum(0)
    share: Floats = reached / len(signs) if n <= EXACT else (reached + 1) / (len(signs) + 1)
    return share


def upper_sign_flip(values: Floats) -> float:
    """One-sided p of paired values [n]: the share of sign assignments whose sum is at least theirs."""
    signs = _signs(len(values))
    sums, least = signs @ values, values.sum() - 1e-10 * np.abs(values).sum()
    if len(values) <= EXACT:  # of the rows with the first sign turned, the sums are those with the other sign
        return float(((sums >= least).sum() + (-sums >= least).sum()) / (2 * len(signs)))
    return float(((sums >= least).sum() + 1) / (len(signs) + 1))


def holm(p: Sequence[float]) -> list[float]:
    """Adjusted p of a family of tests, in the order given (Holm 1979); NaN are no tests and stay NaN."""
    values = np.asarray(p, dtype=float)
    tested = np.flatnonzero(~np.isnan(values))
    order = tested[np.argsort(values[tested], kind="stable")]
    factors = np.arange(len(order), 0, -1)
    adjusted = np.full(len(values), np.nan)
    adjusted[order] = np.minimum(np.maximum.accumulate(values[order] * factors), 1.0)
    return [float(v) for v in adjusted]


@lru_cache(maxsize=4)
def _signs(n: int) -> Floats:
    """Rows of ±1. The first sign is always +: flipping a whole row changes no absolute sum."""
    if n <= EXACT:
        bits = np.arange(2 ** (n - 1))[:, None] >> np.arange(n - 1) & 1
        return np.hstack([np.ones((len(bits), 1)), 1.0 - 2.0 * bits])
    return np.random.default_rng(n).choice([-1.0, 1.0], size=(FLIPS, n))

"""Intervals for many means at once, by the rule of report.interval: one for each epoch of a curve."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dropbench.report.statistics.interval import MIN_PAIRS, bootstrap_t, student_t

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]


def bands(samples: Floats) -> tuple[Floats, Floats]:
    """95 % limits for the mean of each column of finite values [n, m], each [m]; NaN where n < 2. See interval.interval."""
    import numpy as np

    n, m = samples.shape
    if n < 2:
        return np.full(m, np.nan), np.full(m, np.nan)
    low, high = student_t(samples)
    if n >= MIN_PAIRS:
        lower, upper = bootstrap_t(samples)
        there = np.isfinite(lower) & np.isfinite(upper)
        low, high = np.where(there, lower, low), np.where(there, upper, high)
    return low, high

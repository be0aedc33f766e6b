"""Intervals for many means at once, by the rule of report.interval: one for each epoch of a curve."""

from __future__ import annotations

import numpy as np

from dropbench.report.records.scores import Floats
from dropbench.report.statistics.interval import MIN_PAIRS, bootstrap_t, student_t


def bands(samples: Floats) -> tuple[Floats, Floats]:
    """95 % limits for the mean of each column of finite values [n, m], each [m]; NaN where n < 2. See interval.interval."""
    n, m = samples.shape
    if n < 2:
        return np.full(m, np.nan), np.full(m, np.nan)
    low, high = student_t(samples)
    if n >= MIN_PAIRS:
        lower, upper = bootstrap_t(samples)
        there = np.isfinite(lower) & np.isfinite(upper)
        low, high = np.where(there, lower, low), np.where(there, upper, high)
    return low, high

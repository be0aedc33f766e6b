"""Student's t distribution.

SciPy is imported here alone and when first needed, and not scipy.stats: that takes longer to load than the rest of a report.
"""

from __future__ import annotations


def t_quantile(p: float, df: float) -> float:
    """The value that a t variable with `df` degrees of freedom stays below with probability `p`."""
    from scipy.special import stdtrit

    return float(stdtrit(df, p))


def t_cdf(t: float, df: float) -> float:
    """The probability that a t variable with `df` degrees of freedom stays below `t`."""
    from scipy.special import stdtr

    return float(stdtr(df, t))

"""Student's t distribution.

SciPy is imported here alone and when first needed, and not scipy.stats: that takes longer to load than the rest of a report.
"""

from __future__ import annotations


def t_quantile(p: float, df: float) -> float:
    """The value that a t variable with `df` degrees of freedom stays below with probability `p`."""
    from scipy.special import stdtrit

    return float(stdtrit(df, p))


def normal_cdf(z: float) -> float:
    """The probability that a standard normal stays below `z`."""
    from scipy.special import ndtr

    return float(ndtr(z))


def chi_square_quantile(p: float, df: float) -> float:
    """The value that a chi-square with `df` degrees of freedom stays below with probability `p`."""
    from scipy.special import chdtri

    return float(chdtri(df, 1 - p))


def noncentral_t_cdf(t: float, df: float, shift: float) -> float:
    """The same of a noncentral t: of (a standard normal + `shift`) over its measured spread."""
    from scipy.special import nctdtr

    return float(nctdtr(df, shift, t))


def t_cdf(t: float, df: float) -> float:
    """The probability that a t variable with `df` degrees of freedom stays below `t`."""
    from scipy.special import stdtr

    return float(stdtr(df, t))

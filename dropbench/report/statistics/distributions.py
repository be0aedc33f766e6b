"""Quantiles and distribution functions: Student's t, normal, chi-square, noncentral t.

In the report package, only this module imports SciPy, and only on first use. It takes scipy.special instead of scipy.stats,
because scipy.stats takes longer to load than the rest of a report.
"""

from __future__ import annotations


def t_quantile(p: float, df: float) -> float:
    """Return the value below which a t variable with `df` degrees of freedom lies with probability `p`."""
    from scipy.special import stdtrit

    return float(stdtrit(df, p))


def normal_cdf(z: float) -> float:
    """Return the probability that a standard normal variable lies below `z`."""
    from scipy.special import ndtr

    return float(ndtr(z))


def chi_square_quantile(p: float, df: float) -> float:
    """Return the value below which a chi-square variable with `df` degrees of freedom lies with probability `p`."""
    from scipy.special import chdtri

    return float(chdtri(df, 1 - p))


def noncentral_t_cdf(t: float, df: float, shift: float) -> float:
    """Return the probability that a noncentral t variable, (standard normal + `shift`) / estimated sd, lies below `t`."""
    from scipy.special import nctdtr

    return float(nctdtr(df, shift, t))


def t_cdf(t: float, df: float) -> float:
    """Return the probability that a t variable with `df` degrees of freedom lies below `t`."""
    from scipy.special import stdtr

    return float(stdtr(df, t))

"""Mean and standard deviation of scores, for every table, note and figure that shows them.

Sums of floating-point numbers depend on their order and on the algorithm in the last bit, and a mean such as 75.15 is then
printed as 75.1 in one table and as 75.2 in another. Here sums are exact before they are rounded once, so the same scores have
the same mean everywhere.
"""

from __future__ import annotations

import math
from collections.abc import Iterable


def mean(values: Iterable[float]) -> float:
    """Return the mean of the values that are not NaN, whatever their order; NaN if there are none."""
    return _mean([v for v in map(float, values) if v == v])


def sd(values: Iterable[float]) -> float:
    """Return their standard deviation (ddof 1); NaN if there are fewer than two values, or if one is infinite."""
    known = [v for v in map(float, values) if v == v]
    middle = _mean(known)
    if len(known) < 2 or not math.isfinite(middle):
        return math.nan
    return math.sqrt(math.fsum((v - middle) ** 2 for v in known) / (len(known) - 1))


def _mean(known: list[float]) -> float:
    if not known:
        return math.nan
    try:
        return math.fsum(known) / len(known)
    except ValueError:  # both infinities
        return math.nan
    except OverflowError:  # the sum is larger than any number, which the mean may be too
        return math.fsum(v / len(known) for v in known)

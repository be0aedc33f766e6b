"""What a comparison could have found, and how many seeds would settle it."""

from __future__ import annotations

import math
from itertools import pairwise

from dropbench.report.statistics.distributions import t_cdf, t_quantile
from dropbench.report.statistics.interval import CONFIDENCE, MIN_PAIRS

POWER = 0.80
ALPHA = 1 - CONFIDENCE
MOST = 10_000
"""More seeds than this are not worth naming."""


WIDENED = {6: 1.352, 7: 1.181, 8: 1.146, 9: 1.136, 10: 1.110, 12: 1.070, 16: 1.048, 24: 1.027, 48: 1.011}
"""By pairs: how many times the effect that a t test finds it takes for the verdict, simulated by benchmarks/detectable.py."""


def detectable(error: float, df: float, rope: float = 0.0, pairs: int | None = None) -> float:
    """The minimal detectable effect: the true difference that is called better or worse in 80 % of studies of this size.

    error: the standard error, sd/√n for pairs, with n - 1 degrees of freedom. For normal differences and one arm beside the
    baseline: Holm's correction over more asks for more. Without pairs, and with fewer than six, where there is no verdict,
    what the t test finds, whatever the region.
    """
    least = by_t_test(error, df)
    if pairs is None or pairs < MIN_PAIRS:
        return least
    return least * _widened(pairs) + (rope if math.isfinite(rope) else 0.0)


def by_t_test(error: float, df: float) -> float:
    """(t.975 + t.80) · standard error: what the t test at the 5 % level finds with 80 % power."""
    return (t_quantile((1 + CONFIDENCE) / 2, df) + t_quantile(POWER, df)) * error


def _widened(pairs: int) -> float:
    """Between the sizes that were simulated by 1/n, to which the excess is about in proportion; 1 for ever more."""
    known = [*WIDENED.items()]
    for (few, more), (many, less) in pairwise(known):
        if pairs <= many:
            share = (1 / pairs - 1 / many) / (1 / few - 1 / many)
            return less + share * (more - less)
    many, less = known[-1]
    return 1 + (less - 1) * many / pairs


def fewest(tests: int) -> int:
    """The pairs with which an exact sign-flip p can fall to .05 after Holm's correction over `tests` arms; at least six."""
    return max(MIN_PAIRS, math.ceil(1 + math.log2(tests / ALPHA)))


def seeds_to_settle(mean: float, sd: float, rope: float, tests: int) -> int | None:
    """How many paired seeds would give a verdict with 80 % power, were mean and sd the true ones; None beyond MOST.

    Beyond the region: the interval must clear it, at the level that Holm asks of the smallest of `tests` p. Within: the
    interval must fit in. Nothing settles a difference that lies on the region's edge.
    """
    inside = abs(mean) < rope
    least = MIN_PAIRS if inside else fewest(tests)

    def enough(n: int) -> bool:
        df, error = n - 1, sd / math.sqrt(n)
        if error == 0:
            return abs(mean) != rope
        if not inside:
            return t_cdf((abs(mean) - rope) / error - t_quantile(1 - ALPHA / 2 / tests, df), df) >= POWER
        half = t_quantile((1 + CONFIDENCE) / 2, df)
        room = t_cdf((rope - mean) / error - half, df) + t_cdf((rope + mean) / error - half, df) - 1
        return room >= POWER

    if not (math.isfinite(mean) and math.isfinite(sd)) or not enough(MOST):
        return None
    low, high = least - 1, MOST
    while high - low > 1:  # `enough` holds from some n on
        middle = (low + high) // 2
        low, high = (low, middle) if enough(middle) else (middle, high)
    return high

"""Sequential looks: after how many seeds to look, and at which levels, so that all looks together keep the error rate of one.

The method is alpha spending (Lan & DeMets 1983, Discrete sequential boundaries for clinical trials). A spending function says
how much of the error rate may have been used after a share of all seeds. The level of a look is chosen so that the probability
of having crossed a bound at this look or an earlier one equals that amount. The function is from the family of Kim & DeMets
(1987). The probabilities are those of a normal mean, integrated from look to look as in Armitage, McPherson & Rowe (1969).
`benchmarks/looks.py` compares its cost in power and its savings in seeds with those of other functions.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import cache, partial

import numpy as np

from dropbench.report.records.scores import Floats
from dropbench.report.statistics.interval import ALPHA

RHO = 1.5
"""The exponent of the spending function. 1 detects large effects soonest and small ones least often; 3 is close to O'Brien and
Fleming's bounds, whose first levels are below the smallest p that so few seeds can have."""
LEAST = 6
"""The smallest number of seeds with which a verdict is possible."""
_GROWTH = 1.6
_NODES = 96
"""The least number of Gauss-Legendre nodes; with more, the levels of five looks change by less than 1e-9."""
_PER_STEP = 3
"""How many nodes there are for each sd of the next step, so that looks which follow each other closely are not stepped over."""


def looks(at_most: int) -> tuple[int, ...]:
    """Return after how many seeds to look: 6, 10, 16, 26, 42, ... and finally after all; for 60 seeds 10, 16, 26, 42 and 60.

    Looks are left out if they are so close to the end that they would save little, or if no verdict is possible, because the
    sign-flip test of n seeds has no p below 2 / 2**n.
    """
    ladder = [LEAST]
    while ladder[-1] * _GROWTH < at_most:
        ladder.append(round(ladder[-1] * _GROWTH))
    worth = [n for n in ladder if 1.25 * n <= at_most and spent(n / at_most) >= 2 / 2**n]
    return (*worth, at_most)


def spent(share: float) -> float:
    """Return how much of ALPHA may have been spent after this share of all seeds."""
    return float(ALPHA * share**RHO)


def level(taken: Sequence[int], at_most: int) -> float:
    """Return the two-sided level of the last look that was taken.

    Looks may have been taken at any numbers of seeds, planned or not, as long as no result decided when (Lan & DeMets 1983):
    the level depends on the looks before it and not on those that are still to come.

    Parameters
    ----------
    taken : sequence of int
        After how many seeds, increasing.
    at_most : int
        All seeds.
    """
    looks = tuple(taken)
    return levels(looks if looks[-1] == at_most else (*looks, at_most))[len(looks) - 1]


@cache
def levels(looks: tuple[int, ...]) -> tuple[float, ...]:
    """Return the two-sided level of each look; looks: increasing numbers of seeds, the last of which is all seeds."""
    return of_spending(looks, spent)


def of_spending(looks: Sequence[int], spending: Callable[[float], float]) -> tuple[float, ...]:
    """Return the same for any spending function, from the share of all seeds, in (0, 1], to the error rate spent by then."""
    places, mass = np.zeros(1), np.ones(1)  # distribution of the sum so far, no bound crossed yet
    found: list[float] = []
    before = gone = 0.0
    for n, later in zip(looks, (*looks[1:], 2 * looks[-1]), strict=True):
        share = n / looks[-1]
        step = math.sqrt(share - before)
        beyond = partial(_beyond, places, mass, step)
        bound = _where(beyond, spending(share) - gone, 12 * math.sqrt(share))
        gone, before = gone + beyond(bound), share
        found.append(math.erfc(bound / math.sqrt(2 * share)))
        nodes, weights = _quadrature(max(_NODES, math.ceil(_PER_STEP * bound / math.sqrt((later - n) / looks[-1]))))
        new = nodes * bound
        kernel = np.exp(-(((new[:, None] - places) / step) ** 2) / 2) / (step * math.sqrt(2 * math.pi))
        places, mass = new, (kernel @ mass) * weights * bound
    return tuple(found)


@cache
def _quadrature(n: int) -> tuple[Floats, Floats]:
    """Return the nodes in (-1, 1) and the weights of the Gauss-Legendre rule with n nodes."""
    nodes, weights = np.polynomial.legendre.leggauss(n)
    return nodes, weights


def _beyond(places: Floats, mass: Floats, step: float, bound: float) -> float:
    """Return the probability that a sum with masses at `places` lies beyond ±bound after a normal step of sd `step`."""
    return float(mass @ (_upper((bound - places) / step) + _upper((bound + places) / step)))


def _where(falling: partial[float], value: float, high: float) -> float:
    """Find by bisection the point between 0 and `high` at which a decreasing function has the given value."""
    low = 0.0
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (middle, high) if falling(middle) > value else (low, middle)
    return high


def _upper(z: Floats) -> Floats:
    """Return the probability that a standard normal variable is above each value."""
    return np.array([math.erfc(one) / 2 for one in z / math.sqrt(2)])

"""Looking several times: after how many seeds, and at which level each time, so that all looks together err as one would.

Alpha spending (Lan & DeMets 1983, Discrete sequential boundaries for clinical trials): a function says how much of the error
may have been spent by each share of all seeds, and a look has the level that brings the chance to have been beyond a bound by
then to that. The function is one of the family of Kim & DeMets (1987); the chances are those of a normal mean, by integration
from look to look as in Armitage, McPherson & Rowe (1969). `benchmarks/looks.py` has what it costs in power and saves in seeds,
beside others.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import cache, partial

import numpy as np

from dropbench.report.records.scores import Floats
from dropbench.report.statistics.interval import ALPHA

RHO = 1.5
"""The power of the share that is spent. 1 ends large effects soonest and finds the fewest small ones; 3 is much like O'Brien
and Fleming's bounds, whose first levels are below any p that so few seeds can have."""
LEAST = 6
"""Seeds with which there can be a verdict."""
_GROWTH = 1.6
_NODES = 96
"""Of Gauss and Legendre: the levels of five looks change by less than 1e-9 beyond."""


def looks(at_most: int) -> tuple[int, ...]:
    """After how many seeds to look: 6, 10, 16, 26, 42, ... and at last after all; 10, 16, 26, 42 and 60 of 60.

    Left out: those so near the end that they would save little, and those at which no verdict could be had, since n flips of
    signs give no p below 2 / 2**n.
    """
    ladder = [LEAST]
    while ladder[-1] * _GROWTH < at_most:
        ladder.append(round(ladder[-1] * _GROWTH))
    worth = [n for n in ladder if 1.25 * n <= at_most and spent(n / at_most) >= 2 / 2**n]
    return (*worth, at_most)


def spent(share: float) -> float:
    """How much of ALPHA may have been spent after this share of all seeds."""
    return float(ALPHA * share**RHO)


@cache
def levels(looks: tuple[int, ...]) -> tuple[float, ...]:
    """The two-sided level of each look; looks: after how many seeds, rising, the last after all."""
    return of_spending(looks, spent)


def of_spending(looks: Sequence[int], spending: Callable[[float], float]) -> tuple[float, ...]:
    """The same for any function from the share of all seeds, in (0, 1], to what of the error may have been spent by then."""
    nodes, weights = np.polynomial.legendre.leggauss(_NODES)
    places, mass = np.zeros(1), np.ones(1)  # of the sum of all seeds so far, where no bound has been passed yet
    found: list[float] = []
    before = gone = 0.0
    for n in looks:
        share = n / looks[-1]
        step = math.sqrt(share - before)
        beyond = partial(_beyond, places, mass, step)
        bound = _where(beyond, spending(share) - gone, 12 * math.sqrt(share))
        gone, before = gone + beyond(bound), share
        found.append(math.erfc(bound / math.sqrt(2 * share)))
        new = nodes * bound
        kernel = np.exp(-(((new[:, None] - places) / step) ** 2) / 2) / (step * math.sqrt(2 * math.pi))
        places, mass = new, (kernel @ mass) * weights * bound
    return tuple(found)


def _beyond(places: Floats, mass: Floats, step: float, bound: float) -> float:
    """The chance that a sum at `places` with these chances is beyond ±bound after a normal step with that sd."""
    return float(mass @ (_upper((bound - places) / step) + _upper((bound + places) / step)))


def _where(falling: partial[float], value: float, high: float) -> float:
    """Between 0 and `high` where a falling function has a value."""
    low = 0.0
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (middle, high) if falling(middle) > value else (low, middle)
    return high


def _upper(z: Floats) -> Floats:
    """The chance that a standard normal variable is above each."""
    return np.array([math.erfc(one) / 2 for one in z / math.sqrt(2)])

"""Claim: where the true effect is the detectable one that a report prints, 80 % of studies end in the verdict `better`.

The verdict asks for more than a t test: a bootstrap-t interval beyond the region and an exact p of .05 at most. So it takes a
larger effect. How much larger is found by simulation: 10,000 studies of n normal differences each, and the shift at which 80 %
of them are called better. Prints the factors in report/statistics/power.py: that shift over the effect which a t test finds in
80 % of studies.

    python benchmarks/detectable.py
"""

from __future__ import annotations

import math

import numpy as np

from dropbench.report.statistics.interval import bootstrap_t
from dropbench.report.statistics.permutation import sign_flip
from dropbench.report.statistics.power import ALPHA, POWER, WIDENED, by_t_test

STUDIES, AT_ONCE = 10_000, 250


def detectable(n: int, studies: int, seed: int) -> float:
    """The shift, in standard deviations, at which a share of `POWER` of the studies ends in `better`, for a region of zero."""
    samples = np.random.default_rng([seed, n]).normal(size=(n, studies))
    pieces = np.array_split(samples, max(1, studies // AT_ONCE), axis=1)
    low = np.concatenate([bootstrap_t(piece)[0] for piece in pieces])

    def power(shift: float) -> float:
        beyond = low + shift > 0
        p = np.concatenate([sign_flip(piece + shift) for piece in pieces])
        return float(np.mean(beyond & (p <= ALPHA)))

    least, most = 0.0, 10 / math.sqrt(n)
    for _ in range(12):
        middle = (least + most) / 2
        least, most = (middle, most) if power(middle) < POWER else (least, middle)
    return most


def main() -> None:
    """Prints a factor for each number of pairs in `WIDENED`."""
    for n in WIDENED:
        print(f"{n}: {detectable(n, STUDIES, 1) / by_t_test(1 / math.sqrt(n), n - 1):.3f},", flush=True)


if __name__ == "__main__":
    main()

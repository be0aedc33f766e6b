"""Several looks: their levels against tables and SciPy, and that all together err as often as one would."""

from __future__ import annotations

from itertools import pairwise
from statistics import NormalDist

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import multivariate_normal

from dropbench.report.records.measures import Measure
from dropbench.report.statistics.contrast import Minus
from dropbench.report.statistics.judged import judged
from dropbench.report.statistics.looks import ALPHA, levels, looks, of_spending, spent
from dropbench.store import Measure as Declaration


def bounds(of: tuple[float, ...]) -> list[float]:
    return [-NormalDist().inv_cdf(level / 2) for level in of]


def obrien_fleming(share: float) -> float:
    return 4 - 4 * NormalDist().cdf(-NormalDist().inv_cdf(ALPHA / 4) / share**0.5)


def pocock(share: float) -> float:
    return ALPHA * float(np.log(1 + (np.e - 1) * share))


def test_published_bounds_of_five_equal_looks() -> None:
    """Those that Lan & DeMets' functions give, as in Proschan, Lan & Wittes (2006) and R's ldbounds."""
    five = (1, 2, 3, 4, 5)
    assert bounds(of_spending(five, obrien_fleming)) == pytest.approx([4.877, 3.357, 2.680, 2.290, 2.031], abs=6e-4)
    assert bounds(of_spending(five, pocock)) == pytest.approx([2.438, 2.427, 2.410, 2.397, 2.386], abs=6e-4)


@given(st.lists(st.integers(2, 200), min_size=1, max_size=4, unique=True).map(sorted))
def test_what_has_been_spent_is_the_chance_to_be_beyond(seeds: list[int]) -> None:
    """By SciPy's integral of the joint distribution of the means so far."""
    shares = np.array(seeds) / seeds[-1]
    together = np.sqrt(np.minimum.outer(shares, shares) / np.maximum.outer(shares, shares))
    limits = np.array(bounds(levels(tuple(seeds))))
    for k in range(1, len(seeds) + 1):
        joint = multivariate_normal(np.zeros(k), together[:k, :k], allow_singular=True, seed=1)
        inside = joint.cdf(limits[:k], lower_limit=-limits[:k])
        assert 1 - inside == pytest.approx(spent(float(shares[k - 1])), abs=2e-4)


def test_one_look_has_the_whole_level() -> None:
    assert levels((10,)) == pytest.approx((ALPHA,))


@given(st.integers(6, 5_000))
def test_looks_are_worth_it(most: int) -> None:
    found = looks(most)
    assert found[-1] == most and list(found) == sorted(set(found)) and found[0] >= 6
    of = levels(found)
    assert all(level >= 2 / 2**n for level, n in zip(of, found, strict=True))  # a p that so many flips can have
    assert sum(of) >= ALPHA - 1e-9 and max(of) <= ALPHA + 1e-9
    assert all(other > 1.2 * one for one, other in pairwise(found))


def test_the_looks_of_sixty_seeds() -> None:
    assert looks(60) == (10, 16, 26, 42, 60)
    assert levels(looks(60)) == pytest.approx((0.0034, 0.0046, 0.0095, 0.0201, 0.0330), abs=5e-5)
    assert looks(6) == (6,) and looks(10) == (10,)


SCORE = Measure("test", "score", Declaration("higher"))


def studies(effect: float, of: tuple[int, ...], at: tuple[float, ...], n: int) -> tuple[float, float]:
    """How often the report's verdict is confirmed of normal differences with an sd of 1, and the mean number of seeds."""
    random = np.random.default_rng(11)
    told, used = 0, 0
    for _ in range(n):
        values = random.normal(effect, 1, of[-1])
        for seeds, level in zip(of, at, strict=True):
            scores = {"arm": dict(enumerate(values[:seeds].tolist())), "none": dict.fromkeys(range(seeds), 0.0)}
            (found,) = judged([Minus("arm", "none", SCORE)], lambda label, _, s=scores: s[label], 0.0, alpha=level)
            if found.confirmed:
                break
        told, used = told + found.confirmed, used + seeds
    return told / n, used / n


def test_clear_cases_end_early() -> None:
    of = looks(20)
    power, seeds = studies(1.5, of, levels(of), 50)
    assert power > 0.95 and seeds < 14


@pytest.mark.slow
def test_all_looks_together_err_as_one_would() -> None:
    """Without an effect, 500 studies of at most 20 seeds; three standard errors of .05 are .029."""
    of, every = looks(20), (6, 10, 13, 16, 20)
    error, _ = studies(0.0, of, levels(of), 500)
    naive, _ = studies(0.0, every, (ALPHA,) * 5, 500)
    assert error <= 0.05 + 0.029 < naive

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
from dropbench.report.statistics.looks import ALPHA, level, levels, looks, of_spending, spent
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


def test_levels_of_looks_that_follow_each_other_closely() -> None:
    """Against a simulation of 400 normal values that are looked at one by one from the 300th on."""
    of = tuple(range(300, 401))
    values = np.random.default_rng(5).standard_normal((20_000, 400)).cumsum(axis=1)[:, 299:] / np.sqrt(of)
    beyond = np.maximum.accumulate(np.abs(values) > np.array(bounds(levels(of))), axis=1).mean(axis=0)
    assert beyond[[0, 50, 100]] == pytest.approx([spent(n / 400) for n in (300, 350, 400)], abs=0.005)


@given(st.sets(st.integers(6, 60), min_size=1, max_size=6), st.sets(st.integers(1, 60), max_size=3))
def test_the_level_of_a_look_does_not_depend_on_later_ones(taken: set[int], later: set[int]) -> None:
    of = sorted(taken)
    whole = sorted(taken | {n for n in later if n > of[-1]})
    assert level(of, 60) == pytest.approx(levels(tuple(sorted({*whole, 60})))[len(of) - 1], rel=1e-6)


SEEDS = np.arange(1, 61)


def errors(stops: list[int], at: dict[int, float], values: np.ndarray) -> float:
    """How often a mean of normal values without an effect is beyond its bound at a planned look or at one of these stops."""
    z = np.abs(values.cumsum(axis=1)) / np.sqrt(SEEDS)
    limits = np.array([-NormalDist().inv_cdf(at[n] / 2) for n in stops])
    return float((z[:, np.array(stops) - 1] > limits).any(axis=1).mean())


@pytest.mark.parametrize("every", [2, 7, 13, 20])
def test_stops_between_looks_cost_no_more_than_one_look(every: int) -> None:
    """20,000 studies of at most 60 seeds: stopped at every so many seeds they err in 5 %, and would in more without it."""
    values = np.random.default_rng(every).standard_normal((20_000, 60))
    planned = looks(60)
    when = sorted({*range(max(6, every), 61, every), *planned})
    right = {n: level(when[: i + 1], 60) for i, n in enumerate(when)}
    assert errors(when, right, values) == pytest.approx(ALPHA, abs=3 * 0.0016)
    of_next = {n: levels(planned)[sum(p < n for p in planned)] for n in when}  # as if the next look were taken early
    assert errors(when, of_next, values) > (0.06 if every <= 13 else 0.055)


def test_stops_at_any_time_that_no_result_decides() -> None:
    """At random numbers of seeds, 20 times for 2,000 studies each: the levels are those of the looks that they really had."""
    random, found = np.random.default_rng(3), []
    for _ in range(20):
        stops = random.choice(np.arange(6, 60), random.integers(1, 6), replace=False).tolist()
        when = sorted({*stops, *looks(60)})
        at = {n: level(when[: i + 1], 60) for i, n in enumerate(when)}
        found.append(errors(when, at, random.standard_normal((2_000, 60))))
    assert np.mean(found) == pytest.approx(ALPHA, abs=3 * 0.0011)


SCORE = Measure("test", "score", Declaration("higher"))


def studies(effect: float, of: tuple[int, ...], at: tuple[float, ...], n: int) -> tuple[float, float]:
    """How often the report's verdict is confirmed of normal differences with an sd of 1, and the mean number of seeds."""
    random = np.random.default_rng(11)
    told, used = 0, 0
    for _ in range(n):
        values = random.normal(effect, 1, of[-1])
        for seeds, alpha in zip(of, at, strict=True):
            scores = {"arm": dict(enumerate(values[:seeds].tolist())), "none": dict.fromkeys(range(seeds), 0.0)}
            (found,) = judged([Minus("arm", "none", SCORE)], lambda label, _, s=scores: s[label], 0.0, alpha=alpha)
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

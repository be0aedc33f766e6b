"""Every statistic of a report against scipy, statsmodels or numbers worked by hand."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from dropbench.report.records.measures import Measure
from dropbench.report.statistics import improvement
from dropbench.report.statistics.contrast import Minus
from dropbench.report.statistics.difference import WELCH, Difference, paired, unpaired
from dropbench.report.statistics.interval import BOOTSTRAP_T, STUDENT_T, bootstrap_t, interval, student_t
from dropbench.report.statistics.judged import judged
from dropbench.report.statistics.permutation import FLIPS, sign_flip

samples = st.integers(2, 12).flatmap(lambda n: st.lists(st.integers(-50, 50), min_size=n, max_size=n))


def column(values: Any) -> Any:
    return np.asarray(values, dtype=float)[:, None]


# The interval


def test_fewer_than_six_pairs_have_students_t_by_hand() -> None:
    # 1, 2, 3: mean 2, sd 1, and t(.975, 2 df) = 4.3027 (tables), so 2 ± 4.3027/√3 = 2 ± 2.4841.
    found = interval(np.array([1.0, 2.0, 3.0]))
    assert found.method == STUDENT_T
    assert (found.low, found.high) == pytest.approx((2 - 2.4841, 2 + 2.4841), abs=1e-4)


@given(samples)
def test_students_t_is_scipys(values: list[int]) -> None:
    low, high = (float(limit[0]) for limit in student_t(column(values)))
    if len(set(values)) > 1:
        theirs = stats.ttest_1samp(values, 0).confidence_interval(0.95)
        assert (low, high) == pytest.approx((theirs.low, theirs.high), rel=1e-6, abs=1e-9)


@pytest.mark.parametrize("n", [6, 8, 20])
def test_bootstrap_t_against_plain_resampling(n: int) -> None:
    """Resampled value by value with another generator: the limits agree as far as 9,999 resamples can."""
    values = np.random.default_rng(n).gumbel(size=n)
    mean, error = values.mean(), values.std(ddof=1) / math.sqrt(n)
    again = np.random.default_rng(100 + n).choice(values, (40_000, n))
    spread = again.std(axis=1, ddof=1)
    differ = again.min(axis=1) < again.max(axis=1)
    ts = (again.mean(axis=1)[differ] - mean) / (spread[differ] / math.sqrt(n))
    below, above = np.quantile(ts, [0.975, 0.025])
    found = interval(values)
    assert found.method == BOOTSTRAP_T
    for limit, t, p in ((found.low, below, 0.975), (found.high, above, 0.025)):
        # The limit's rank in our resamples has a standard error of √(p(1-p)/9999): so has its p in theirs.
        there = float(np.mean(ts <= (mean - limit) / error))
        assert abs(there - p) < 5 * math.sqrt(p * (1 - p) * (1 / 9999 + 1 / 40_000)), t


def test_the_interval_is_the_same_each_time_and_moves_with_the_data() -> None:
    values = np.random.default_rng(0).normal(size=10)
    first, second = interval(values), interval(values.copy())
    assert first == second
    moved = interval(3 * values + 1)
    assert (moved.low, moved.high) == pytest.approx((3 * first.low + 1, 3 * first.high + 1))


def test_many_equal_differences_fall_back_to_t() -> None:
    """Five zeros and a one: a third of all resamples have no spread, and a limit of bootstrap-t would be infinite."""
    values = np.array([0.0, 0, 0, 0, 0, 1])
    with np.errstate(all="ignore"):
        assert not all(np.isfinite(limit[0]) for limit in bootstrap_t(column(values)))
    assert interval(values).method == STUDENT_T
    same = interval(np.full(8, 0.25))
    assert (same.low, same.high) == (0.25, 0.25)


# Permutation


def test_sign_flips_by_hand() -> None:
    # All six positive: only + + + + + + and - - - - - - reach the sum, 2 of 64.
    assert sign_flip(column([1, 2, 3, 4, 5, 6]))[0] == 2 / 64
    assert sign_flip(column([1] * 5))[0] == 0.0625
    # 3 - 1 = 2: sums ±4 and ±2 all reach it.
    assert sign_flip(column([3, -1]))[0] == 1
    assert sign_flip(column([0, 0, 0]))[0] == 1


@given(samples)
def test_exact_sign_flips_are_scipys(values: list[int]) -> None:
    theirs = stats.permutation_test(
        (values,), np.mean, permutation_type="samples", n_resamples=np.inf, vectorized=False
    )
    assert sign_flip(column(values))[0] == pytest.approx(theirs.pvalue)


def test_random_sign_flips_agree_with_exact_ones() -> None:
    values = np.random.default_rng(3).normal(0.3, 1, size=15)
    every = np.array([[1 - 2 * (i >> k & 1) for k in range(14)] for i in range(2**14)], dtype=float)
    exact = np.mean(np.abs(every @ values[:14, None] + values[14]) >= abs(values.sum()) - 1e-12)
    found = float(sign_flip(column(values))[0])
    assert abs(found - exact) < 5 * math.sqrt(exact * (1 - exact) / FLIPS)
    assert sign_flip(column(values))[0] == found
    assert sign_flip(column([1.0] * 40))[0] == 1 / 10_000


@pytest.mark.slow  # beside torch, statsmodels alone takes ten seconds to import
def test_wilson_is_statsmodels() -> None:
    proportion = pytest.importorskip("statsmodels.stats.proportion")
    for wins, n in ((0, 1), (3, 10), (10, 10), (17, 40)):
        found = improvement.paired(np.array([1.0] * wins + [-1.0] * (n - wins)), 1)
        assert (found.low, found.high) == pytest.approx(
            proportion.proportion_confint(wins, n, method="wilson"), abs=1e-9
        )


# Probability of improvement


@given(st.integers(1, 40).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))))
def test_the_share_of_seeds_is_wilsons(counts: tuple[int, int]) -> None:
    wins, n = counts
    differences = np.array([1.0] * wins + [-1.0] * (n - wins))
    found = improvement.paired(differences, 1)
    assert found.value == wins / n
    theirs = stats.binomtest(wins, n).proportion_ci(method="wilson")
    assert (found.low, found.high) == pytest.approx((theirs.low, theirs.high), abs=1e-9)
    assert improvement.paired(differences, -1).value == pytest.approx(1 - wins / n)


def test_ties_are_half_a_win_and_no_direction_is_no_probability() -> None:
    assert improvement.paired(np.array([0.0, 0, 1, 1]), 1).value == 0.75
    assert math.isnan(improvement.paired(np.array([1.0]), 0).value)


@given(samples, samples)
def test_the_unpaired_probability_is_mann_whitneys(a: list[int], b: list[int]) -> None:
    found = improvement.unpaired(np.array(a, dtype=float), np.array(b, dtype=float), 1)
    assert found.value == pytest.approx(stats.mannwhitneyu(a, b).statistic / (len(a) * len(b)))
    assert 0 <= found.low <= found.value <= found.high <= 1


def test_newcombes_interval_solves_its_equation() -> None:
    """At each limit the estimate is 1.96 standard errors away, with the standard error that the limit itself would have."""
    rng = np.random.default_rng(1)
    a, b = rng.normal(0.8, 1, 12), rng.normal(0, 1, 9)
    found = improvement.unpaired(a, b, 1)
    n, m = len(a), len(b)
    star = (n + m) / 2 - 1
    for t in (found.low, found.high):
        variance = t * (1 - t) * (1 + star * (1 - t) / (2 - t) + star * t / (1 + t)) / (n * m)
        assert abs(found.value - t) == pytest.approx(1.959964 * math.sqrt(variance), abs=1e-6)
    apart = improvement.unpaired(np.arange(8) + 100.0, np.arange(8.0), 1)
    assert apart.value == apart.high == pytest.approx(1)
    assert 0.5 < apart.low < 1  # complete separation of eight and eight is not certainty


# Unpaired


@given(samples, samples)
def test_welch_is_scipys(a: list[int], b: list[int]) -> None:
    if len(set(a)) < 2 or len(set(b)) < 2:
        return
    theirs = stats.ttest_ind(a, b, equal_var=False)
    limits = theirs.confidence_interval(0.95)
    found = unpaired(np.array(a, dtype=float), np.array(b, dtype=float))
    assert (found.low, found.high) == pytest.approx((limits.low, limits.high), rel=1e-6, abs=1e-8)
    assert found.p == pytest.approx(theirs.pvalue, rel=1e-6, abs=1e-12)
    assert (found.df, found.interval) == (pytest.approx(theirs.df), WELCH)


def test_pairs_where_there_are_any_and_welch_where_there_are_none() -> None:
    arm = {1: 3.0, 2: 5.0, 7: 9.0}

    def against(other: dict[int, float]) -> Difference:
        asked = Minus("arm", "other", Measure("test", "accuracy"))
        (contrast,) = judged([asked], lambda label, _: arm if label == "arm" else other, 0.0)
        return contrast.difference

    both = against({2: 1.0, 7: 1.0, 3: 4.0})
    assert (both.pairs, both.mean, both.interval) == (2, 6.0, STUDENT_T)
    apart = against({3: 4.0, 4: 6.0, 5: math.nan})
    assert (apart.pairs, apart.n, apart.interval) == (0, 2, WELCH)
    assert apart.mean == pytest.approx(17 / 3 - 5)
    assert against({}).n == 0


def test_too_little_says_too_little() -> None:
    with np.errstate(all="raise"):
        one = paired(np.array([0.5]))
        assert (one.pairs, one.mean, math.isnan(one.sd), math.isnan(one.low)) == (1, 0.5, True, True)
        endless = paired(np.array([math.inf, 1.0]))
        assert (endless.mean, math.isnan(endless.low)) == (math.inf, True)
        assert paired(np.array([])).pairs == 0

"""Many arms judged together: against the definition tried flip by flip, by hand, and by what may not change it."""

from __future__ import annotations

import itertools
import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from dropbench.report.statistics.family import FLOOR, Column, Joint, judge
from dropbench.report.statistics.permutation import EXACT, sign_flip
from dropbench.report.statistics.ranks import signed_ranks

ALPHA = 0.05


def together(values: Any, alpha: float = ALPHA, **more: Any) -> list[Joint]:
    """Of an array [seeds, arms], or of columns; NaN is a seed that an arm does not have."""
    values = np.asarray(values, dtype=float)
    columns = []
    for column in values.T:
        rows = np.flatnonzero(~np.isnan(column))
        columns.append(Column(rows, column[rows], **more))
    return judge(columns, len(values), alpha)


def share_as_far(values: Any, arm: int, tested: float) -> float:
    """How often, by the definition: each flip of all seeds, the arm about what is tested and the others about their means."""
    values = np.asarray(values, dtype=float)
    n, m = values.shape
    about = values - values.mean(0)
    about[:, arm] = values[:, arm] - tested
    floor = FLOOR * sorted(values.std(0))[(m - 1) // 2] if m > 1 else 0.0
    far = np.sqrt((about**2).mean(0)) + floor
    every = np.array([*itertools.product((1.0, -1.0), repeat=n)])
    reach = (np.abs(every @ about) / n / far).max(1)
    return float(np.mean(reach >= reach_of(about, far, arm) - 1e-12))


def reach_of(about: Any, far: Any, arm: int) -> float:
    return float(abs(about[:, arm].mean()) / far[arm])


@settings(deadline=None, max_examples=60)
@given(st.integers(0, 10**6), st.sampled_from([(6, 1), (6, 2), (6, 4), (7, 3), (9, 5)]))
def test_limits_are_where_the_definition_begins_to_reject(seed: int, size: tuple[int, int]) -> None:
    rng = np.random.default_rng(seed)
    values = rng.normal(size=size) * rng.uniform(0.3, 3, size[1]) + rng.normal(size=size[1])
    for k, joint in enumerate(together(values)):
        for limit, outwards in ((joint.low, -1), (joint.high, 1)):
            if math.isinf(limit):
                assert share_as_far(values, k, outwards * 1e9) > ALPHA
                continue
            step = 1e-7 * max(1.0, abs(limit))
            assert share_as_far(values, k, limit - outwards * step) > ALPHA
            assert share_as_far(values, k, limit + outwards * step) <= ALPHA
        alone, by_itself = together(values[:, [k]])[0], joint.alone
        assert by_itself == pytest.approx((alone.low, alone.high)) and joint.p == pytest.approx(alone.p)
        assert joint.low <= by_itself[0] <= by_itself[1] <= joint.high


def test_one_arm_of_six_seeds_by_hand() -> None:
    """Only the differences as they are, and all of them turned round, lie outside: 2 of 64. So the limits are the extremes."""
    (joint,) = together([[1.0], [2], [3], [4], [5], [6.5]])
    assert (joint.low, joint.high, joint.p, joint.p_adjusted) == (1, 6.5, 2 / 64, 2 / 64)
    (none,) = together([[1.0], [2], [3], [4], [5], [6.5]], alpha=0.03)
    assert (none.low, none.high) == (-math.inf, math.inf)  # no level below 2 / 64 can be had


@given(st.lists(st.integers(-30, 30), min_size=6, max_size=10))
def test_p_alone_is_the_sign_flip_test(values: list[int]) -> None:
    found = together([[v] for v in values])[0]
    theirs = stats.permutation_test(
        (values,), np.mean, permutation_type="samples", n_resamples=np.inf, vectorized=False
    )
    assert found.p == pytest.approx(theirs.pvalue)


@settings(deadline=None, max_examples=40)
@given(st.integers(0, 10**6), st.integers(2, 6))
def test_steps_are_the_test_among_those_that_are_no_surer(seed: int, arms: int) -> None:
    rng = np.random.default_rng(seed)
    values = rng.normal(size=(7, arms)) + rng.normal(size=arms)
    found = together(values)
    floor = FLOOR * sorted(values.std(0))[(arms - 1) // 2]
    every = np.array([*itertools.product((1.0, -1.0), repeat=7)])

    def p(k: int, among: list[int]) -> float:
        about = values - values.mean(0)
        about[:, k] = values[:, k]
        far = np.sqrt((about**2).mean(0)) + floor
        reach = (np.abs(every @ about[:, among]) / 7 / far[among]).max(1)
        return float(np.mean(reach >= reach_of(about, far, k) - 1e-12))

    out = np.abs(values.mean(0)) / (np.sqrt((values**2).mean(0)) + floor)
    raised, left = 0.0, sorted(range(arms), key=lambda k: (round(p(k, list(range(arms))), 9), -out[k]))
    while left:
        raised = max(raised, p(left[0], left))
        assert found[left.pop(0)].p_adjusted == pytest.approx(raised)
    for joint in found:
        assert joint.p <= joint.p_adjusted <= 1
        # What the interval that holds for all excludes, the steps exclude too.
        assert joint.p_adjusted <= ALPHA or joint.low <= 0 <= joint.high


@settings(deadline=None, max_examples=40)
@given(st.integers(0, 10**6))
def test_units_signs_and_the_order_of_arms_and_seeds_do_not_matter(seed: int) -> None:
    rng = np.random.default_rng(seed)
    values = rng.normal(size=(8, 4)) + 0.5
    first = together(values)
    arms, seeds = rng.permutation(4), rng.permutation(8)
    turned = together(-3 * values[seeds][:, arms])
    for place, k in enumerate(arms):
        ours, theirs = first[k], turned[place]
        assert (theirs.low, theirs.high) == pytest.approx((-3 * ours.high, -3 * ours.low))
        assert theirs.p_adjusted == pytest.approx(ours.p_adjusted)


def test_sixty_arms_and_six_seeds_can_tell_an_effect() -> None:
    """Which no correction of single p values can: sixty times 2 / 64 is more than 1."""
    rng = np.random.default_rng(0)
    values = rng.normal(size=(6, 1)) * 0.7 + rng.normal(size=(6, 60)) * 0.7
    values[:, 7] += 6
    found = together(values)
    assert found[7].low > 0 and found[7].p_adjusted == 2 / 64
    assert sum(j.p_adjusted <= ALPHA for j in found) == 1


def test_an_arm_whose_few_seeds_agree_by_chance_is_not_the_furthest_of_all() -> None:
    rng = np.random.default_rng(1)
    values = rng.normal(size=(6, 20))
    values[:, 3] = 0.01 + 1e-4 * rng.normal(size=6)
    assert together(values)[3].p == 2 / 64 and together(values)[3].low < 0


def test_arms_with_other_seeds_are_flipped_with_their_own() -> None:
    """Seeds that an arm lacks count for nothing in it: alone it is as it is by itself, beside others no surer than with all."""
    rng = np.random.default_rng(2)
    values = rng.normal(size=(12, 3)) + 1
    lacking = values.copy()
    lacking[8:, 1] = np.nan
    found = together(lacking)
    assert found[1].alone == pytest.approx(together(values[:8, [1]])[0].alone)
    assert found[1].high - found[1].low > together(values)[1].high - together(values)[1].low
    assert all(math.isfinite(v) for j in found for v in (j.low, j.high))


def test_equal_differences_have_no_width_alone_and_some_beside_others() -> None:
    same = np.full((8, 1), 0.25)
    (alone,) = together(same)
    assert (alone.low, alone.high, alone.p) == (0.25, 0.25, 2 / 2**8)
    rng = np.random.default_rng(3)
    beside = together(np.hstack([same, rng.normal(size=(8, 2))]))[0]
    assert beside.alone == (0.25, 0.25) and beside.low < 0.25 < beside.high
    even = np.array([[1.0], [-1]] * 4)
    with np.errstate(all="raise"):
        odd = together(np.hstack([same, same, even]))
    assert [(j.low, j.high) for j in odd[:2]] == [(0.25, 0.25)] * 2 and odd[2].low < 0 < odd[2].high
    flat = together(np.zeros((7, 3)))
    assert [(j.low, j.high, j.p_adjusted) for j in flat] == [(0, 0, 1)] * 3


@pytest.mark.parametrize("n", [8, 20])
def test_what_is_less_sure_is_stretched_about_its_mean(n: int) -> None:
    values = np.random.default_rng(n).normal(0.6, 1, size=(n, 2))
    narrow, wide = (together(values, widened=w) for w in (1.0, 1.3))
    for k, (one, other) in enumerate(zip(narrow, wide, strict=True)):
        mean = values[:, k].mean()
        assert (other.low - mean, other.high - mean) == pytest.approx((1.3 * (one.low - mean), 1.3 * (one.high - mean)))
        assert other.alone[0] - mean == pytest.approx(1.3 * (one.alone[0] - mean))
        assert other.p >= one.p and other.p_adjusted >= one.p_adjusted
        assert (other.p <= ALPHA) == (not other.alone[0] <= 0 <= other.alone[1])


def test_many_seeds_are_flipped_at_random_and_agree_with_students_t() -> None:
    values = np.random.default_rng(4).normal(0.3, 1, size=(60, 1))
    (found,) = together(values)
    theirs = stats.ttest_1samp(values[:, 0], 0)
    limits = theirs.confidence_interval(0.95)
    assert len(values) > EXACT and (found.low, found.high) == pytest.approx((limits.low, limits.high), abs=0.02)
    assert found.p == pytest.approx(theirs.pvalue, abs=0.01)


def test_an_arm_by_rank_is_wilcoxons_test_beside_the_others() -> None:
    outcomes = np.array([0.1, 0.4, 0.3, -math.inf, 0.2, 0.6, 0.5, -0.05])
    (found,) = judge([Column(np.arange(8), outcomes, edge=0.0)], 8, ALPHA)
    assert found.p == sign_flip(signed_ranks(outcomes)[:, None])[0] and math.isnan(found.low)
    sure = np.array([-math.inf] * 7 + [-1.0])
    beside = np.random.default_rng(5).normal(size=(8, 3))
    columns = [Column(np.arange(8), sure, edge=0.5), *(Column(np.arange(8), c) for c in beside.T)]
    assert judge(columns, 8, ALPHA)[0].side == -1
    assert judge([Column(np.arange(8), -sure, edge=2.0), *columns[1:]], 8, ALPHA)[0].side == 1
    assert judge([Column(np.arange(8), sure + 1.5, edge=9.0)], 8, ALPHA)[0].side == -1  # infinite is beyond any edge


def test_no_arms_are_no_family() -> None:
    assert judge([], 0, ALPHA) == []

"""Standard errors over seeds and examples, held against analysis of variance, sums by hand, and populations that are known."""

from __future__ import annotations

import math

import numpy as np
import pytest

from dropbench.report.statistics.two_way import Differences, error


def drawn(random: np.random.Generator, seeds: int, *, pool: int, tested: int, fixed: bool) -> list[Differences]:
    """Of one pool of a population in which examples, seeds and noise all vary, and the mean is 0."""
    a, found = random.normal(0, 0.3, pool), []
    for _ in range(seeds):
        rows = np.arange(tested) if fixed else np.sort(random.choice(pool, tested, replace=False))
        found.append(Differences(rows, a[rows] + random.normal(0, 0.02) + random.normal(0, 0.4, tested)))
    return found


def mean(by_seed: list[Differences]) -> float:
    return float(np.mean([d.values.mean() for d in by_seed]))


def test_over_seeds_alone_it_is_the_standard_error_of_their_means() -> None:
    by_seed = drawn(np.random.default_rng(0), 7, pool=100, tested=20, fixed=False)
    means = np.array([d.values.mean() for d in by_seed])
    assert error(by_seed).seeds == pytest.approx(means.std(ddof=1) / math.sqrt(7))


def test_on_one_test_split_it_is_analysis_of_variance() -> None:
    """Two ways, one value a cell: what examples add is (their mean square less the residual's) / values in all."""
    table = np.array([d.values for d in drawn(np.random.default_rng(1), 5, pool=30, tested=30, fixed=True)])
    n, m = table.shape
    of_rows, of_seeds = table.mean(0) - table.mean(), (table.mean(1) - table.mean())[:, None]
    square_of_rows = n * (of_rows**2).sum() / (m - 1)
    residual = ((table - table.mean() - of_rows - of_seeds) ** 2).sum() / ((n - 1) * (m - 1))
    added = (square_of_rows - residual) / (n * m)
    found = error([Differences(np.arange(m), values) for values in table])
    assert added > 0
    assert found.both**2 - found.seeds**2 == pytest.approx(added)


def test_on_splits_of_several_sizes_it_is_the_sum_over_pairs_of_seeds() -> None:
    random = np.random.default_rng(2)
    by_seed = []
    for tested in (3, 12, 20, 17):
        rows = np.sort(random.choice(25, tested, replace=False))
        by_seed.append(Differences(rows, np.sin(rows) + random.normal(size=tested)))
    products, shared = [], []
    for s, one in enumerate(by_seed):
        for t, other in enumerate(by_seed):
            if s != t:
                ours = dict(zip(one.rows, one.values - one.values.mean(), strict=True))
                theirs = dict(zip(other.rows, other.values - other.values.mean(), strict=True))
                size = len(ours) * len(theirs)
                products.append(sum(ours[i] * theirs[i] for i in ours.keys() & theirs.keys()) / size)
                shared.append(len(ours.keys() & theirs.keys()) / size)
    kept = 1 - 2 * np.mean([1 / len(d.rows) for d in by_seed]) + np.mean(shared)
    found = error(by_seed)
    assert found.both**2 - found.seeds**2 == pytest.approx(np.mean(products) / kept)


def test_seeds_that_share_no_example_have_nothing_to_add() -> None:
    random = np.random.default_rng(3)
    found = error([Differences(np.arange(9) + 9 * s, random.normal(size=9)) for s in range(6)])
    assert found.both == found.seeds > 0
    assert found.factor == 1


def test_it_is_never_less_than_over_seeds_alone() -> None:
    """Examples on which seeds take turns have a negative covariance."""
    values = np.array([1.0, -1.0, 1.0, -1.0])
    found = error([Differences(np.arange(4), values + 0.1), Differences(np.arange(4), -values)])
    assert (found.factor, found.both) == (1, found.seeds)


@pytest.mark.parametrize(("shift", "factor"), [(0.0, 1.0), (1.0, math.inf)])
def test_seeds_that_agree_to_the_last_bit(shift: float, factor: float) -> None:
    """No spread over seeds; where the examples differ, all that is uncertain is them."""
    values = np.full(8, 0.5)
    values[:4] += shift
    found = error([Differences(np.arange(8), values)] * 6)
    assert (found.seeds, found.factor) == (0, factor)
    assert found.both == pytest.approx(values.std(ddof=1) / math.sqrt(8))


@pytest.mark.parametrize("fixed", [False, True], ids=["redrawn", "fixed"])
def test_where_arm_and_baseline_agree_on_all_one_example_more_might_have_been_unlike(fixed: bool) -> None:
    """Having met no example on which they differ proves nothing: var(a) is then that of one such example among those tested."""
    random = np.random.default_rng(6)
    by_seed = drawn(random, 9, pool=60, tested=20, fixed=fixed)
    tested = len(set(np.concatenate([d.rows for d in by_seed])))
    same = [Differences(d.rows, np.zeros(20)) for d in by_seed]
    shared = np.mean([len({*a.rows} & {*b.rows}) / 400 for a in by_seed for b in by_seed if a is not b])
    assert error(same) == (0, 0)
    one_seed = (
        np.array([1 / 20] + 8 * [0.0]).std(ddof=1) / 3
    )  # as if one seed of nine were one example away from the others
    assert error(same, span=1) == pytest.approx((one_seed, math.hypot(one_seed, math.sqrt(shared / tested))))
    assert error(by_seed, span=1) == error(by_seed)  # whose examples differ by more


def test_neither_the_order_nor_the_names_of_rows_matter_and_a_unit_does_as_a_unit() -> None:
    random = np.random.default_rng(4)
    by_seed = drawn(random, 6, pool=50, tested=10, fixed=False)
    names = random.permutation(50)
    other = [Differences(names[d.rows], 100 * d.values) for d in reversed(by_seed)]
    assert error(other) == pytest.approx([100 * e for e in error(by_seed)])
    assert error(other).factor == pytest.approx(error(by_seed).factor)


def test_too_little_to_tell() -> None:
    one, none = Differences(np.arange(3), np.ones(3)), Differences(np.arange(0), np.ones(0))
    for by_seed in ([], [one], [one, none]):
        assert all(math.isnan(e) for e in error(by_seed))


@pytest.mark.parametrize("fixed", [False, True], ids=["redrawn", "fixed"])
@pytest.mark.parametrize("seeds", [6, 20])
def test_its_square_is_the_variance_on_fresh_pools(seeds: int, fixed: bool) -> None:
    """On average, floor apart: the spread of the mean over 2,000 fresh pools, whose standard error is 3 % of it."""
    random = np.random.default_rng([seeds, fixed])
    studies = [drawn(random, seeds, pool=100, tested=40, fixed=fixed) for _ in range(2000)]
    truth = np.var([mean(study) for study in studies])
    errors = [error(study) for study in studies]
    assert np.mean([e.both**2 for e in errors]) == pytest.approx(truth, rel=0.12)
    assert np.mean([e.seeds**2 for e in errors]) < 0.75 * truth


@pytest.mark.parametrize("fixed", [False, True], ids=["redrawn", "fixed"])
def test_an_interval_over_seeds_alone_holds_the_effect_on_new_examples_too_rarely(fixed: bool) -> None:
    """With 40 seeds and 1,000 pools; two standard errors and what stands on both sides of it. See docs/statistics.md."""
    random = np.random.default_rng([40, fixed])
    held = []
    for _ in range(1000):
        study = drawn(random, 40, pool=60, tested=20, fixed=fixed)
        found = error(study)
        held.append([abs(mean(study)) <= 2.02 * e for e in found])
    narrow, wide = np.mean(held, axis=0)
    assert narrow < 0.8
    assert 0.925 <= wide <= 0.975

"""The probability of improvement beside rliable's (Agarwal et al. 2021, arXiv:2108.13264), and how often its interval holds."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from dropbench.report.statistics import improvement

runs = st.integers(1, 12).flatmap(lambda n: st.lists(st.integers(-4, 4), min_size=n, max_size=n))


@given(runs, runs)
def test_the_unpaired_probability_is_rliables(a: list[int], b: list[int]) -> None:
    metrics = pytest.importorskip("rliable.metrics")
    ours, theirs = np.array(a, dtype=float), np.array(b, dtype=float)
    expected = metrics.probability_of_improvement(ours[:, None], theirs[:, None])  # [runs, tasks], of one task
    assert improvement.unpaired(ours, theirs, 1).value == pytest.approx(expected, abs=1e-12)
    assert improvement.unpaired(ours, theirs, -1).value == pytest.approx(1 - expected, abs=1e-12)


@pytest.mark.parametrize(
    ("n", "m", "shift", "value", "low", "high"),
    [
        (6, 6, 0.8, 0.7222, 0.3889, 0.9722),
        (10, 10, 0.8, 0.7200, 0.4800, 0.9200),
        (30, 30, 0.5, 0.6378, 0.4911, 0.7711),
        (30, 30, 0.0, 0.5000, 0.3528, 0.6439),
        (30, 20, 1.5, 0.8567, 0.7433, 0.9483),
        (100, 100, 0.4, 0.6114, 0.5328, 0.6883),
    ],
)
def test_its_interval_beside_rliables(n: int, m: int, shift: float, value: float, low: float, high: float) -> None:
    """Theirs: rliable 1.2.0, library.get_interval_estimates, 20,000 resamples, RandomState(0), with pandas 2.3.3 (what it is
    made with does not import under pandas 3). They resample runs and take percentiles: no further apart than a run weighs.
    """
    arm, baseline = (np.round(stats.norm.ppf((np.arange(k) + 0.5) / k) + s, 3) for k, s in ((n, shift), (m, 0.0)))
    found = improvement.unpaired(arm, baseline, 1)
    assert found.value == pytest.approx(value, abs=5e-5)
    assert (found.low, found.high) == pytest.approx((low, high), abs=1 / min(n, m))
    # Drawn in from 0 and 1, where percentiles of few runs stick: there it is the more careful of the two.
    assert found.high < high + 0.01


def _coverage(n: int, m: int, shift: float, count: int = 1000) -> tuple[float, float]:
    """How often the interval holds the true probability, and how often percentiles of 300 resamples do."""
    rng = np.random.default_rng([n, m, int(10 * shift)])
    true = stats.norm.cdf(shift / math.sqrt(2))
    held = theirs = 0
    for _ in range(count):
        x, y = rng.normal(shift, 1, n), rng.normal(0, 1, m)
        found = improvement.unpaired(x, y, 1)
        held += found.low <= true <= found.high
        above = (x[:, None] > y)[rng.integers(n, size=(300, n, 1)), rng.integers(m, size=(300, 1, m))].mean((1, 2))
        low, high = np.quantile(above, [0.025, 0.975])
        theirs += low <= true <= high
    return held / count, theirs / count


@pytest.mark.slow
@pytest.mark.parametrize("shift", [0.0, 0.8, 1.5])
@pytest.mark.parametrize(("n", "m"), [(6, 6), (10, 10), (30, 30), (6, 20)])
def test_the_interval_holds_what_is_true(n: int, m: int, shift: float) -> None:
    """At least as often as it says, give or take five standard errors of .007, and never less often than percentiles."""
    ours, theirs = _coverage(n, m, shift)
    assert ours >= 0.95 - 5 * 0.007
    assert ours >= theirs - 5 * 0.007


@pytest.mark.parametrize("n", [6, 10, 30])
@pytest.mark.parametrize("share", [0.5, 0.8, 0.95])
def test_the_paired_interval_holds_what_is_true(n: int, share: float) -> None:
    """Wilson's, over all outcomes of n seeds that each favour the arm with this chance: its coverage moves about .95."""
    held = 0.0
    for wins in range(n + 1):
        found = improvement.paired(np.array([1.0] * wins + [-1.0] * (n - wins)), 1)
        held += stats.binom.pmf(wins, n, share) * (found.low <= share <= found.high)
    assert held >= 0.88

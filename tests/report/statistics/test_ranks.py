"""Seeds that diverged are worst by rank: against scipy, by hand, and by simulation without an effect."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from dropbench.report.records.measures import Measure
from dropbench.report.statistics import ranks
from dropbench.report.statistics.contrast import Contrast, Minus
from dropbench.report.statistics.judged import judged
from dropbench.store import Measure as Declaration

ACCURACY = Measure("test", "accuracy", Declaration("higher", (0.0, 1.0), "percent", "0.2pp"))
LOSS = Measure("test", "loss", Declaration("lower"))
INF = math.inf
outcomes = st.integers(2, 10).flatmap(
    lambda n: st.lists(st.integers(-6, 6).map(float) | st.sampled_from([INF, -INF]), min_size=n, max_size=n)
)


def compared(
    arm: Mapping[int, float],
    other: Mapping[int, float],
    bad: set[int] = set(),  # noqa: B006
    bad_other: set[int] = set(),  # noqa: B006
    measure: Measure = ACCURACY,
    region: float = 0.0,
) -> Contrast:
    scores, lost = {"arm": arm, "other": other}, {"arm": bad, "other": bad_other}
    asked = [Minus("arm", "other", measure)]
    return judged(asked, lambda label, _: scores[label], region, lambda label: lost[label])[0]


# The tests


def test_signed_ranks_by_hand() -> None:
    assert ranks.signed_ranks(np.array([3.0, -1, 2, -INF, INF])).tolist() == [3, -1, 2, -4.5, 4.5]
    assert ranks.signed_ranks(np.array([0.0, 0, -5, 5])).tolist() == [0, 0, -3.5, 3.5]
    # Equal but for rounding.
    assert ranks.signed_ranks(np.array([0.9 - 0.8, 0.8 - 0.7, 0.3])).tolist() == [1.5, 1.5, 3]
    assert ranks.signed_ranks(np.array([0.1 + 0.2 - 0.3, 1.0])).tolist() == [0, 2]


@given(outcomes)
def test_the_paired_test_is_scipys(values: list[float]) -> None:
    """Wilcoxon's with Pratt's zeros, exact by permutation; infinite ones as any number larger than all others."""
    finite = np.clip(values, -100, 100)
    p = ranks.paired(np.array(values))
    if not finite.any():
        assert p == 1
        return
    every = stats.PermutationMethod(n_resamples=2**12)
    theirs = stats.wilcoxon(finite, zero_method="pratt", method=every)
    assert p == pytest.approx(theirs.pvalue)


@given(
    st.lists(st.integers(-4, 4) | st.just(-INF), min_size=2, max_size=6),
    st.lists(st.integers(-4, 4) | st.just(-INF), min_size=2, max_size=6),
)
def test_the_rank_sum_is_scipys(arm: list[float], other: list[float]) -> None:
    ours, theirs = (np.clip(np.array(x, dtype=float), -100, 100) for x in (arm, other))
    p, _ = ranks.unpaired(np.array(arm, dtype=float), np.array(other, dtype=float), 0.0, 0.05)
    every = stats.PermutationMethod(n_resamples=10**6)
    one_sided = [stats.mannwhitneyu(ours, theirs, alternative=way, method=every).pvalue for way in ("greater", "less")]
    assert p == pytest.approx(min(1.0, 2 * min(one_sided)))


def test_many_seeds_are_dealt_at_random_and_agree_with_scipy() -> None:
    rng = np.random.default_rng(0)
    values = np.append(rng.normal(0.4, 1, size=24), [-INF, INF])
    p = ranks.paired(values)
    theirs = stats.wilcoxon(np.clip(values, -100, 100), zero_method="pratt", method="asymptotic").pvalue
    assert p == pytest.approx(theirs, abs=0.02)
    arm, other = rng.normal(0.4, 1, size=15), np.append(rng.normal(size=13), [-INF] * 2)
    p, _ = ranks.unpaired(arm, other, 0.0, 0.05)
    assert p == pytest.approx(stats.mannwhitneyu(arm, np.clip(other, -100, 100), method="asymptotic").pvalue, abs=0.02)


# What follows from them


def test_an_arm_that_always_diverges_is_worse() -> None:
    found = compared({}, {s: 0.9 + s / 1000 for s in range(6)}, set(range(6)))
    assert found.difference.p == 2 / 64 and found.verdict == "worse"
    d = found.difference
    assert (d.pairs, d.n, d.finished, d.lost, d.won, d.tied) == (6, 6, 0, 6, 0, 0)
    assert math.isnan(d.mean) and math.isnan(d.low) and d.chance.value == 0
    assert math.isnan(found.detectable) and math.isnan(found.seeds_needed.even)
    assert str(found) == "no number, since no seed finished in both"
    assert not found.not_worse and not found.not_better


def test_a_baseline_that_always_diverges_is_beaten_also_by_loss() -> None:
    found = compared({s: 0.5 + s for s in range(8)}, {}, set(), set(range(8)), LOSS, math.nan)
    assert (found.verdict, found.difference.p, found.difference.won) == ("better", 2 / 2**8, 8)


def test_where_both_diverge_nothing_is_said() -> None:
    found = compared({}, {}, set(range(8)), set(range(8)))
    assert (found.verdict, found.difference.p, found.difference.tied) == ("cannot tell", 1.0, 8)


def test_divergence_outweighs_a_gain() -> None:
    """Two points better wherever it finishes, but half of its seeds do not: no winner. By the mean it would be one."""
    base = dict.fromkeys(range(12), 0.8)
    ours = {s: 0.82 + s / 10_000 for s in range(12)}
    assert compared(ours, base).verdict == "better"
    some = {s: v for s, v in ours.items() if s >= 6}
    found = compared(some, base, set(range(6)))
    assert found.verdict == "cannot tell"
    assert (
        found.difference.mean == pytest.approx(0.02085) and found.difference.low > 0 and found.difference.finished == 6
    )
    assert compared({11: 0.82}, base, set(range(11))).verdict == "worse"
    # One of many does not take the gain away: it is one vote, if the heaviest.
    assert compared({s: v for s, v in ours.items() if s}, base, {0}).verdict == "better"


def test_beyond_the_region_is_asked_of_ranks_too() -> None:
    base = dict.fromkeys(range(12), 0.8)
    ours = {s: 0.82 + s / 10_000 for s in range(1, 12)}
    assert compared(ours, base, {0}, region=0.01).verdict == "better"
    assert compared(ours, base, {0}, region=0.03).verdict == "cannot tell"


def test_the_same_is_said_only_where_nothing_diverged_in_one_arm_alone() -> None:
    base = {s: 0.8 + s / 100 for s in range(12)}
    ours = {s: v + (-1) ** s / 10_000 for s, v in base.items()}
    assert compared(ours, base, region=0.01).verdict == "about the same"
    without = {s: v for s, v in ours.items() if s}
    assert compared(without, {s: v for s, v in base.items() if s}, {0}, {0}, region=0.01).verdict == "about the same"
    assert compared(without, base, {0}, region=0.01).verdict == "cannot tell"
    assert compared(ours, {s: v for s, v in base.items() if s}, set(), {0}, region=0.01).verdict == "cannot tell"


def test_a_seed_that_one_arm_alone_was_run_under_counts_for_nothing() -> None:
    base = {s: 0.8 + s / 100 for s in range(7)}
    ours = {s: v + 0.02 + s / 1000 for s, v in base.items()}
    found = compared(ours, base, {99})
    assert found == compared(ours, base)


def test_fewer_than_six_seeds_name_no_winner() -> None:
    assert compared({}, dict.fromkeys(range(5), 0.8), set(range(5))).verdict == "cannot tell"


def test_where_no_side_is_better_those_that_diverged_are_left_out() -> None:
    neither = Measure("test", "norm", Declaration("neither"))
    base = {s: 0.8 + s / 100 for s in range(7)}
    found = compared({s: 0.9 for s in base if s}, base, {0}, measure=neither)
    assert (found.difference.diverged, found.difference.pairs) == (0, 6)


def test_without_a_common_seed_runs_are_ranked_too() -> None:
    base = {s: 0.8 + s / 1000 for s in range(8)}
    found = compared({20: 0.81}, base, set(range(10, 17)))
    assert (found.verdict, found.difference.pairs, found.difference.n, found.difference.lost) == ("worse", 0, 8, 7)
    beaten = compared(base, {}, set(), set(range(10, 18)))
    assert beaten.verdict == "better" and beaten.difference.p == pytest.approx(2 / math.comb(16, 8))


@pytest.mark.parametrize("never", [{5}, {2, 4, 6}])
def test_a_run_that_never_gets_there_is_slowest_and_does_not_void_its_arm(never: set[int]) -> None:
    """As one that diverged is: by rank, with mean and interval of the seeds in which both got there."""
    epochs = Measure("val", "epochs", Declaration("lower", unit="epochs"))
    base = {s: 10.0 + s for s in range(9)}
    ours = {s: INF if s in never else v + 5 + s / 10 for s, v in base.items()}
    found = compared(ours, base, measure=epochs, region=1.0)
    as_lost = compared({s: v for s, v in ours.items() if s not in never}, base, never, measure=epochs, region=1.0)
    assert found.difference == as_lost.difference and found.verdict == as_lost.verdict == "worse"
    assert math.isfinite(found.difference.mean) and found.difference.lost == len(never)
    assert found.how_lost == "never reached it"
    both = compared(ours, {s: INF if s == 5 else v for s, v in base.items()}, measure=epochs, region=1.0)
    assert both.difference.tied == (5 in never) and both.difference.won == (5 not in never)


# Without an effect


@pytest.mark.parametrize(("n", "share"), [(8, 0.1), (10, 0.3), (20, 0.05), (20, 0.5)])
def test_without_an_effect_a_winner_is_rare(n: int, share: float) -> None:
    """Both arms diverge as often and score alike, skewed: better and worse are each said in at most 2.5 % but for chance."""
    rng = np.random.default_rng(n)
    studies, words = 600, []
    for _ in range(studies):
        scores = rng.exponential(size=(2, n))
        bad = rng.random((2, n)) < share
        kept = [{s: float(scores[i, s]) for s in range(n) if not bad[i, s]} for i in range(2)]
        lost = [{s for s in range(n) if bad[i, s]} for i in range(2)]
        words.append(compared(kept[0], kept[1], lost[0], lost[1]).verdict)
    most = 0.025 + 3.5 * math.sqrt(0.025 * 0.975 / studies)
    for word in ("better", "worse"):
        assert words.count(word) / studies <= most, word


def test_a_diverging_arm_is_found() -> None:
    """Where nine seeds of ten diverge and none of the baseline's, it is told in most studies."""
    n = 10
    rng = np.random.default_rng(1)
    told: list[Any] = []
    for _ in range(200):
        bad = {s for s in range(n) if rng.random() < 0.9}
        base = {s: float(v) for s, v in enumerate(rng.normal(size=n))}
        ours = {s: base[s] + float(rng.normal()) for s in range(n) if s not in bad}
        told.append(compared(ours, base, bad).verdict)
    assert told.count("worse") / 200 > 0.8 and not told.count("better")

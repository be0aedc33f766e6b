"""Verdicts on statements: what an interval says of an expectation, the correction, and the power that a pilot tells."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import ttest_1samp

from dropbench.report.records.measures import Measure
from dropbench.report.statistics.contrast import Contrast, Minus
from dropbench.report.statistics.difference import Difference, paired
from dropbench.report.statistics.judged import judged
from dropbench.report.statistics.power import power_at
from dropbench.report.tables.claims import Checked, Claimed, corrected, decided, holm, p_of
from dropbench.store import Case, StoredCheck, StoredClaim
from dropbench.store import Measure as Declaration

HIGHER, LOWER, NEITHER = (Measure("test", "x", Declaration(d)) for d in ("higher", "lower", "neither"))
SIZE = 0.1


def contrast(mean: float, sd: float = 0.05, seeds: int = 10, measure: Measure = HIGHER) -> Contrast:
    generator = np.random.default_rng(3)
    spread = generator.normal(size=seeds)
    values = mean + sd * (spread - spread.mean()) / spread.std(ddof=1)
    of = {"a": dict(enumerate(values)), "b": dict.fromkeys(range(seeds), 0.0)}
    (made,) = judged([Minus("a", "b", measure)], lambda label, _: of[label], SIZE)
    return made


@pytest.mark.parametrize("measure", [HIGHER, LOWER, NEITHER])
@pytest.mark.parametrize(
    ("mean", "sd", "above", "below", "within"),
    [
        (0.5, 0.05, "supported", "contradicted", "contradicted"),
        (-0.5, 0.05, "contradicted", "supported", "contradicted"),
        (0.0, 0.05, "negligible", "negligible", "supported"),
        (0.2, 1.0, "undecided", "undecided", "undecided"),
        # From about -.44 to +.04: surely not more than the region above 0, and nothing is sure of the rest.
        (-0.2, 0.34, "contradicted", "undecided", "undecided"),
        (0.2, 0.34, "undecided", "contradicted", "undecided"),
    ],
)
def test_what_an_interval_says(mean: float, sd: float, above: str, below: str, within: str, measure: Measure) -> None:
    """Whichever way is better: a statement is about the number."""
    made = contrast(mean, sd, measure=measure)
    assert [decided(made, expect) for expect in ("above", "below", "within")] == [above, below, within]


def test_five_seeds_decide_nothing() -> None:
    assert decided(contrast(5.0, seeds=5), "above") == "undecided"
    assert math.isnan(p_of(contrast(5.0, seeds=5), "above"))


@given(st.floats(-1, 1), st.floats(0.01, 1), st.sampled_from(["above", "below", "within"]))
def test_p_and_verdict_seldom_differ(mean: float, sd: float, expect: str) -> None:
    """What is decided has a p below .05 by Student's t, but where the interval by sign flips is a little shorter."""
    made = contrast(mean, sd)
    p = p_of(made, expect)
    assert math.isnan(p) == (decided(made, expect) == "undecided")
    assert math.isnan(p) or p < 0.1


@given(st.lists(st.floats(0, 1), min_size=1, max_size=8))
def test_holm_is_the_least_that_rejects(ps: list[float]) -> None:
    """By its definition: the p at place i of the sorted ones, from 0, is multiplied by n - i, and none falls below another."""
    n = len(ps)
    ordered = sorted(ps)
    for p, found in zip(ps, holm(ps), strict=True):
        expected = max(min(1.0, (n - i) * ordered[i]) for i in range(ordered.index(p) + 1))
        assert found == pytest.approx(expected)


def claimed(made: Contrast | None, number: int) -> Claimed:
    claim = StoredClaim(says="s", contrast="a.x - b.x", expect="above", number=number)
    return Claimed("study", f"c{number}", claim, contrast=made)


def test_what_was_not_decided_is_not_corrected_for() -> None:
    strong, weak = contrast(0.5), contrast(0.2, 0.09)
    check = Checked("study", "m", StoredCheck(says="s", cases=[Case(case="a", measured=1, formula=1, within=0)]))
    first, second, third, fourth = corrected(
        [claimed(strong, 1), claimed(contrast(0.2, 1.0), 2), claimed(weak, 3), check]
    )
    assert isinstance(first, Claimed) and first.p_adjusted == pytest.approx(2 * first.p) and first.stands
    assert isinstance(second, Claimed) and math.isnan(second.p_adjusted) and not second.stands
    assert isinstance(third, Claimed) and third.p_adjusted == pytest.approx(third.p)
    assert fourth is check


@pytest.mark.parametrize(
    ("measured", "verdict", "only"),
    [((1.0, 2.0), "holds exactly", ""), ((1.0, 2.5), "holds only for", "one"), ((1.5, 2.5), "does not hold", "")],
)
def test_mathematics_holds_in_all_cases_in_some_or_in_none(
    measured: tuple[float, float], verdict: str, only: str
) -> None:
    cases = [
        Case(case=c, measured=m, formula=f, within=0.1)
        for c, m, f in zip(("one", "two"), measured, (1.0, 2.0), strict=True)
    ]
    told = Checked("study", "m", StoredCheck(says="s", cases=cases))
    assert (told.verdict, told.only) == (verdict, only)


@pytest.mark.parametrize(("effect", "seeds"), [(0.3, 8), (0.2, 8), (0.2, 20), (0.0, 8), (0.0, 20)])
def test_power_is_the_share_of_studies_that_tell(effect: float, seeds: int) -> None:
    """Of 4,000 simulated ones, by Student's t."""
    sd = 0.12
    pilot = replace(paired(np.array([0.0, 1.0])), sd=sd)
    drawn = np.random.default_rng(0).normal(effect, sd, (4000, seeds))
    mean, error = drawn.mean(1), drawn.std(1, ddof=1) / math.sqrt(seeds)
    half = error * {8: 2.3646, 20: 2.0930}[seeds]
    told = (np.abs(mean) + half <= SIZE) if effect == 0 else (mean - half > SIZE)
    assert power_at(effect, SIZE, pilot, seeds) == pytest.approx(told.mean(), abs=0.03)


def test_examples_bound_what_more_seeds_can_tell() -> None:
    pilot = replace(paired(np.array([0.0, 1.0, 2.0, 3.0])), sd=0.12)
    wide = replace(pilot, widened=3.0)
    assert power_at(0.3, SIZE, wide, 10_000) < 0.5 < 0.99 < power_at(0.3, SIZE, pilot, 10_000)
    assert math.isnan(power_at(0.3, SIZE, Difference(), 8))


@pytest.mark.parametrize(
    ("mean", "sd", "expect", "bounds"),
    [
        (0.5, 0.05, "above", [SIZE]),
        (0.5, 0.05, "within", [SIZE]),
        (-0.5, 0.05, "above", [-SIZE]),
        (0.02, 0.05, "within", [SIZE, -SIZE]),  # both ends: two one-sided tests (Schuirmann 1987)
        (0.02, 0.05, "above", [SIZE, -SIZE]),
        (-0.2, 0.34, "above", [SIZE]),
        (0.2, 0.34, "below", [-SIZE]),
    ],
)
def test_p_is_that_of_scipys_t_test_against_the_end_that_decides(
    mean: float, sd: float, expect: str, bounds: list[float]
) -> None:
    made = contrast(mean, sd)
    values = list(made.values.values())
    expected = max(ttest_1samp(values, bound).pvalue for bound in bounds)
    assert p_of(made, expect) == pytest.approx(expected)

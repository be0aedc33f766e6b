"""One result: an expression's values, its judgement by hand, and what follows from it."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pytest
from scipy import stats

from dropbench import report
from dropbench.report.records.measures import Measure
from dropbench.report.records.scores import Diverged, Floats, ScoresOf
from dropbench.report.statistics import family
from dropbench.report.statistics import judged as judging
from dropbench.report.statistics.contrast import Contrast, Minus, levels
from dropbench.report.statistics.judged import judged
from dropbench.store import Measure as Declaration

ACCURACY = Measure("test", "accuracy", Declaration("higher", unit="percent", region="0.2pp"))
LOSS = Measure("test", "loss", Declaration("lower"))
WOBBLE = (0.001, -0.001, 0.002, -0.002, 0.0, 0.001, -0.001, 0.0)


def contrast(shift: float, measure: Measure = ACCURACY, region: float = 0.002, seeds: int = 8) -> Contrast:
    """Of an arm whose scores are the other's and a shift, give or take a little."""
    scores = {"other": dict.fromkeys(range(seeds), 0.8), "arm": {s: 0.8 + shift + WOBBLE[s] for s in range(seeds)}}
    return judged([Minus("arm", "other", measure)], lambda label, _: scores[label], region)[0]


def test_values_are_by_seed_of_the_seeds_that_both_have() -> None:
    scores = {"arm": {3: 5.0, 1: 2.0, 2: math.nan, 9: 1.0}, "other": {1: 0.5, 2: 1.0, 3: 1.0}}
    (found,) = judged([Minus("arm", "other", LOSS)], lambda label, _: scores[label], 0.1)
    assert found.values == {1: 1.5, 3: 4.0} and list(found.values) == [1, 3]
    assert (found.difference.pairs, found.difference.mean) == (2, 2.75)


@pytest.mark.parametrize(
    ("shift", "measure", "direction", "verdict"),
    [
        (0.02, ACCURACY, "better", "better"),
        (-0.02, ACCURACY, "worse", "worse"),
        (0.02, LOSS, "worse", "worse"),
        (0.02, Measure("gap", "accuracy", ACCURACY.declared), "worse", "worse"),
        (0.02, Measure("test", "novelty"), "higher", "higher"),
        (0.0, replace(ACCURACY, part="val"), "about the same", "about the same"),
        (0.002, ACCURACY, "cannot tell", "cannot tell"),
    ],
)
def test_direction_and_verdict(shift: float, measure: Measure, direction: str, verdict: str) -> None:
    found = contrast(shift, measure)
    assert (found.direction, found.verdict) == (direction, verdict)
    assert found.confirmed is (verdict != "cannot tell")
    assert math.isnan(found.detectable) is False


def test_a_direction_that_few_seeds_or_many_arms_do_not_confirm() -> None:
    few = contrast(0.02, seeds=5)
    assert (few.direction, few.verdict, few.confirmed) == ("better", "better, unconfirmed", False)
    # Beside seven arms that scatter, what one arm would confirm by itself is no more than a direction.
    rng = np.random.default_rng(0)
    scores = {"other": dict.fromkeys(range(7), 0.8)}
    scores |= {f"arm {k}": {s: 0.8 + 0.02 * float(rng.normal()) for s in range(7)} for k in range(7)}
    scores["arm"] = {s: 0.8 + 0.007 * (1.2 + float(rng.normal() / 2)) for s in range(7)}

    def asked(*labels: str) -> Contrast:
        return judged([Minus(arm, "other", ACCURACY) for arm in labels], lambda label, _: scores[label], 0.002)[-1]

    alone, among = asked("arm"), asked(*(arm for arm in scores if arm != "other"))
    assert (alone.verdict, among.verdict) == ("better", "better, unconfirmed")
    assert alone.difference.alone == pytest.approx(among.difference.alone)
    assert 7 < among.seeds_needed.even <= among.seeds_needed.likely


@pytest.mark.parametrize(("examples", "verdict"), [(36, "cannot tell"), (200, "about the same"), (0, "about the same")])
def test_ties_of_few_examples_prove_nothing(examples: int, verdict: str) -> None:
    """Eight seeds that agree in all of 36 examples: 3 in 288 is 1 %, and the region .2 points; of 200 it is .19 points."""
    scores = dict.fromkeys(range(8), 0.9)
    (found,) = judged([Minus("arm", "other", ACCURACY)], lambda *_: scores, 0.002, examples=lambda _: examples)
    assert (found.direction, found.verdict) == (verdict, verdict)
    assert math.isnan(found.detectable) or examples != 36
    if examples == 36:
        assert found.seeds_needed.even >= 3 / 0.002 / 36


@pytest.mark.parametrize("seeds", [2, 5, 10])
@pytest.mark.parametrize("shift", [0, 1])
def test_seeds_that_agree_have_an_interval_that_is_not_a_point(seeds: int, shift: int) -> None:
    """As wide as if one of the seeds were one of 20 examples away from the others, by scipy's t interval."""
    scores = {"other": dict.fromkeys(range(seeds), 0.5), "arm": dict.fromkeys(range(seeds), 0.5 + shift / 20)}
    (found,) = judged([Minus("arm", "other", ACCURACY)], lambda arm, _: scores[arm], 0.002, examples=lambda _: 20)
    spread = np.array([1 / 20] + (seeds - 1) * [0.0]).std(ddof=1)
    low, high = stats.t.interval(0.95, seeds - 1, shift / 20, spread / math.sqrt(seeds))
    assert found.difference.alone == pytest.approx((low, high))
    assert (found.difference.low, found.difference.high) == found.difference.alone
    assert found.confirmed == (seeds == 10 and shift == 1) and found.difference.sd < 1e-12
    if seeds == 2:
        assert found.verdict == "cannot tell", "two seeds of 20 examples show no direction"
    assert not 0 < found.seeds_needed.even <= seeds


@pytest.mark.parametrize("seeds", [5, 10])
def test_the_interval_of_seeds_that_agree_is_called_by_the_level_that_it_has(seeds: int) -> None:
    """At a look at the level of 1 %, of one arm; few seeds have 95 % at every look, as they have where they differ."""
    scores = {"other": dict.fromkeys(range(seeds), 0.5), "arm": dict.fromkeys(range(seeds), 0.55)}
    (found,) = judged(
        [Minus("arm", "other", ACCURACY)], lambda arm, _: scores[arm], 0.002, alpha=0.01, examples=lambda _: 20
    )
    level = 0.99 if seeds == 10 else 0.95
    assert found.sure == f"{100 * level:.0f} %"
    low, high = stats.t.interval(level, seeds - 1, 0.05, 1 / 20 / seeds)
    assert (found.difference.low, found.difference.high) == pytest.approx((low, high))


def test_finished_seeds_that_agree_beside_one_that_diverged_have_no_point_either() -> None:
    scores = {"other": dict.fromkeys(range(10), 0.5), "arm": dict.fromkeys(range(9), 0.55)}
    diverged = {"arm": {9}, "other": set[int]()}
    (found,) = judged(
        [Minus("arm", "other", ACCURACY)],
        lambda arm, _: scores[arm],
        0.002,
        lambda arm: diverged[arm],
        examples=lambda _: 20,
    )
    spread = np.array([1 / 20] + 8 * [0.0]).std(ddof=1)
    low, high = stats.t.interval(0.95, 8, 0.05, spread / 3)
    assert (found.difference.low, found.difference.high) == pytest.approx((low, high))
    assert found.verdict == "cannot tell" and found.difference.lost == 1


def test_a_loss_that_agrees_is_the_same_run_and_needs_no_steps() -> None:
    scores = dict.fromkeys(range(8), 0.9)
    (found,) = judged([Minus("arm", "other", LOSS)], lambda *_: scores, 0.002)
    assert (found.difference.low, found.difference.high, found.verdict) == (0, 0, "about the same")


def test_nothing_known_says_nothing() -> None:
    (found,) = judged([Minus("arm", "other", ACCURACY)], lambda *_: {}, 0.002)
    assert (found.verdict, found.direction, found.confirmed) == ("", "", False)
    assert math.isnan(found.seeds_needed.even) and math.isnan(found.detectable)
    assert not found.not_better and not found.not_worse


def test_what_is_excluded_is_one_end_of_the_interval() -> None:
    assert (contrast(0.02).not_worse, contrast(0.02).not_better) == (True, False)
    assert (contrast(0.02, LOSS).not_worse, contrast(0.02, LOSS).not_better) == (False, True)
    assert str(contrast(0.02)).startswith("+2.00 points (95 % interval +1.")
    assert replace(contrast(0.02), region=0.1).verdict == "about the same", "another region takes no new test"


def test_another_expression_is_judged_alike() -> None:
    """A difference of differences: whether the second arm's gain over the first is that of the fourth over the third."""

    @dataclass(frozen=True)
    class Interaction:
        arms: tuple[str, str, str, str]
        measure: Measure

        def values(self, scores: ScoresOf) -> dict[int, float]:
            a, b, c, d = (scores(arm, self.measure) for arm in self.arms)
            return {s: (b[s] - a[s]) - (d[s] - c[s]) for s in sorted(a.keys() & b.keys() & c.keys() & d.keys())}

        def lost(self, scores: ScoresOf, diverged: Diverged) -> tuple[dict[int, float], tuple[int, int]]:
            return {}, (0, 0)

        def samples(self, scores: ScoresOf) -> tuple[Floats, Floats]:
            return np.array([]), np.array([])

    scores: Mapping[str, Mapping[int, float]] = {
        arm: {s: 0.5 + gain + WOBBLE[(s + turn) % 8] for s in range(8)}
        for turn, (arm, gain) in enumerate({"a": 0.0, "b": 0.3, "c": 0.1, "d": 0.2}.items())
    }
    (found,) = judged([Interaction(("a", "b", "c", "d"), ACCURACY)], lambda label, _: scores[label], 0.002)
    assert found.difference.mean == pytest.approx(0.2) and found.verdict == "better"
    assert found.difference.pairs == len(found.values) == 8


def test_nothing_is_tested_twice(fake: Any, put: Any, store: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Tables, answer, notes, figures and diagnosis together ask for each difference once."""
    for seed in range(7):
        put(fake(seed, test=0.8 + 0.001 * seed))
        put(fake(seed, changes={"dropout": "standard", "dropout.rate": 0.5}, test=0.83 + 0.002 * seed, val=0.7))
    judgements: list[int] = []

    def counted(columns: Any, *rest: Any) -> Any:
        judgements.extend(len(c.values) for c in columns)
        return family.judge(columns, *rest)

    monkeypatch.setattr(judging, "judge", counted)
    made = report.build([store.root])
    for fmt in ("rich", "csv", "json", "html"):
        report.render(made, fmt, wide=True)
    measures = [m for m in made.comparisons[0].measures.within(made.comparisons[0].runs) if m.part != "train"]
    assert len(judgements) == len(measures) + 1, "the training score, of which the diagnosis asks"


def test_what_is_excluded_is_so_by_the_interval_that_is_shown() -> None:
    """Beside noisy arms an interval reaches further than the arm's own, and a gain that it still holds is not excluded."""
    random = np.random.default_rng(1)
    scores = {"base": dict.fromkeys(range(8), 0.8)}
    scores |= {f"arm {i}": {s: 0.795 + 0.008 * float(random.normal()) for s in range(8)} for i in range(12)}
    found = judged([Minus(a, "base", ACCURACY) for a in scores if a != "base"], lambda label, _: scores[label], 0.002)
    assert any(c.difference.alone[1] <= c.region < c.difference.high for c in found), "the two differ somewhere"
    for c in found:
        assert c.not_better == (c.difference.high <= c.region)
        assert c.not_worse == (c.difference.low >= -c.region)


def test_the_level_that_is_written_is_that_of_the_interval() -> None:
    """With fewer than six pairs the interval is Student's at 95 %, whatever the level of a look; SciPy has the same limits."""
    asked = [Minus("arm", "other", ACCURACY)]
    values = [0.01, 0.03, 0.02, 0.04]
    for seeds, sure in ((4, "95 %"), (8, "99 %")):
        scores = {"other": dict.fromkeys(range(seeds), 0.5), "arm": {s: 0.5 + values[s % 4] for s in range(seeds)}}
        (found,) = judged(asked, lambda label, _, of=scores: of[label], 0.002, alpha=0.01)
        assert f"({sure} interval " in str(found) and found.sure == sure
        if seeds == 4:
            half = float(stats.sem(values) * stats.t.ppf(0.975, 3))
            assert found.difference.low == pytest.approx(np.mean(values) - half)
    assert levels([contrast(0.02, seeds=5), replace(contrast(0.02), alpha=0.01)], 0.01) == "95 % or 99 %"
    assert levels([], 0.01) == "99 %"


def test_an_interval_that_excludes_nothing_is_not_written_as_one() -> None:
    """Of six seeds no p is below 2 / 2⁶, so at the level of an early look every number is possible."""
    scores = {"other": dict.fromkeys(range(6), 0.5), "arm": {s: 0.5 + WOBBLE[s] for s in range(6)}}
    (found,) = judged([Minus("arm", "other", ACCURACY)], lambda label, _: scores[label], 0.002, alpha=0.01)
    assert math.isinf(found.difference.low) and "inf" not in str(found)
    assert str(found).endswith("(too few seeds for a 99 % interval)")

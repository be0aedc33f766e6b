"""The arms of a study, and its seeds."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from dropbench.config.compose import Composer, composer
from dropbench.planning.plan import Plan, make


def rates(plan: Plan, arm: str) -> set[float]:
    return {s.dropout.rate for s in plan.specs if s.run_id in plan.arms[arm]}


def test_three_arms_over_ten_seeds(c: Composer) -> None:
    plan = make(["study=three_arm"], c)
    assert plan.study == "three_arm" and plan.question and plan.baseline == "none"
    assert {name: len(runs) for name, runs in plan.arms.items()} == {"none": 10, "reduced": 10, "target": 10}
    assert len(plan.specs) == 30 and plan.merged == 0 and plan.skipped == ()
    assert (rates(plan, "none"), rates(plan, "reduced"), rates(plan, "target")) == ({0.0}, {0.25}, {0.5})
    assert Counter(s.seed for s in plan.specs) == dict.fromkeys(range(10), 3)
    assert {s.dropout.name for s in plan.specs if s.run_id in plan.arms["none"]} == {"none"}


@pytest.mark.parametrize(
    ("words", "reduced", "target"),
    [
        (["dropout.rate=0.3"], 0.15, 0.3),
        (["study.target.rate=0.6"], 0.3, 0.6),
        (["study.target.rate=0.5", "study.reduced.rate=0.2"], 0.2, 0.5),
        (["study.reduced.rate=0.1"], 0.1, 0.5),
        (["dropout=gaussian", "dropout.rate=0.4"], 0.2, 0.4),
    ],
)
def test_the_arms_can_be_set(c: Composer, words: list[str], reduced: float, target: float) -> None:
    plan = make(["study=three_arm", "seed=0", *words], c)
    assert (rates(plan, "reduced"), rates(plan, "target")) == ({reduced}, {target})


def test_rates_of_sites_are_halved_too(c: Composer) -> None:
    plan = make(["study=three_arm", 'dropout.rates={input: 0.2, "*": 0.5}', "seed=0"], c)
    found = {s.run_id: s.dropout.rates for s in plan.specs}
    assert [found[plan.arms[name][0]] for name in ("none", "reduced", "target")] == [
        {},
        {"input": 0.1, "*": 0.25},
        {"input": 0.2, "*": 0.5},
    ]


def test_the_users_seeds_win(c: Composer) -> None:
    assert {s.seed for s in make(["study=three_arm", "seed=3,5"], c).specs} == {3, 5}
    assert {s.seed for s in make(["study=three_arm", "seed=range(0,6)"], c).specs} == set(range(6))
    assert {s.seed for s in make(["study=three_arm", "study.seed=7"], c).specs} == {7}


STUDY = """# When
baseline: always
arms:
  always: {dropout/schedule: constant}
  early: {dropout/schedule: early, dropout.schedule.until: 0.5}
  steps: {dropout/schedule: step}
  other: {dropout: gaussian}
"""


def test_arms_of_a_study_choose_schedules(tmp_path: Path) -> None:
    (tmp_path / "study").mkdir()
    (tmp_path / "study" / "when.yaml").write_text(STUDY)
    words = ["study=when", "seed=0", "dropout/schedule=linear_up", "dropout.schedule.over=0.5", "dropout.rate=0.3"]
    with composer([tmp_path]) as own:  # ends the other one: this test is the last
        plan = make(words, own)
    found = {
        name: (s.dropout.schedule.name, s.dropout.schedule.options, s.dropout.rate)
        for name, runs in plan.arms.items()
        for s in plan.specs
        if s.run_id in runs
    }
    # An arm that chooses a schedule starts that afresh, one that chooses a variant all that is beneath it.
    assert found == {
        "always": ("constant", {}, 0.3),
        "early": ("early", {"until": 0.5, "shape": "constant"}, 0.3),
        "steps": ("step", {"at": [0.5], "factors": [0.5, 1.0]}, 0.3),
        "other": ("constant", {}, 0.5),
    }

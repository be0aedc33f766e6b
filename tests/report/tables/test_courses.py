"""What stored plans say of a comparison: how arms were tuned, at which level it is judged, and who has looked before."""

from __future__ import annotations

import json
from typing import Any

import pytest

from dropbench import report
from dropbench.report.statistics.interval import ALPHA
from dropbench.report.statistics.looks import levels
from dropbench.store import Candidate, Course, Rule, StoredStage, Tuned

TUNED = "Each arm at its own best setting"
EDGE = "Best at the edge of what was tried"
UNTUNED = "which was tuned for none of them here"


def arms(fake: Any, seeds: range = range(6), **rates: float) -> dict[str, list[Any]]:
    """`none` and `target`, at a learning rate each, the second better by a point under every seed but the last."""
    rates = {"none": 0.001, "target": 0.001, **rates}
    change = {"none": {}, "target": {"dropout": "standard", "dropout.rate": 0.5}}
    return {
        name: [
            fake(
                s,
                changes={**change[name], "train.lr": rates[name]},
                test=0.8 + 0.01 * (name == "target" and s < 5) + s / 1e3,
            )
            for s in seeds
        ]
        for name in change
    }


def runs(*of_arms: dict[str, list[Any]]) -> list[str]:
    return [r.run_id for arms in of_arms for records in arms.values() for r in records]


def tuned(arm: str, arm_id: str, chosen: int) -> Tuned:
    scores: list[tuple[float | None, int]] = [(0.91, 0), (0.93, 0), (None, 3)]
    candidates = [
        Candidate(setting={"train.lr": lr}, score=score, sd=None, runs=3, diverged=bad)
        for lr, (score, bad) in zip((0.0003, 0.001, 1.0), scores, strict=True)
    ]
    return Tuned(arm=arm, arm_id=arm_id, measure="val_accuracy", candidates=candidates, chosen=chosen)


def of_looks(looks: list[int], taken: int) -> Course:
    return Course(rule=Rule(looks=looks), stages=[StoredStage(name="comparison", runs=[])] * taken, ended=True)


def told(found: Any) -> str:
    (comparison,) = found.comparisons
    return " ".join(comparison.notes)


def test_tuned_arms_say_under_which_seeds_and_what_the_candidates_scored(
    fake: Any, fake_plan: Any, put: Any, store: Any
) -> None:
    both = arms(fake)
    put(*both["none"], *both["target"])
    found = [tuned("a", both["none"][0].arm_id, 1), tuned("b", both["target"][0].arm_id, 0)]
    course = Course(
        rule=Rule(tune={"train.lr": [0.0003, 0.001, 1.0]}, tuning_seeds=[500, 501, 502]),
        stages=[StoredStage(name="tuning", runs=["x"]), StoredStage(name="comparison", runs=runs(both))],
        tuned=found,
    )
    built = report.for_plan(store, fake_plan(both, runs=runs(both), course=course))
    said = told(built)
    assert TUNED in said and "by mean validation accuracy, %, under seeds 500-502" in said and UNTUNED not in said
    assert "none, train.lr=0.001 (0.0003: 91.0, 0.001: 93.0, 1: 3 of 3 diverged)" in said
    assert f"{EDGE}, so that a better value may lie beyond: target, train.lr=0.0003, the smallest." in said
    (comparison,) = json.loads(report.render(built, "json"))["comparisons"]
    assert [(t["arm"], t["candidates"][0]["score"]) for t in comparison["tuned"]] == [("none", 0.91), ("target", 0.91)]
    assert comparison["alpha"] == ALPHA


def test_the_level_is_that_of_the_last_look(fake: Any, fake_plan: Any, put: Any, store: Any) -> None:
    both = arms(fake, range(10))
    put(*both["none"], *both["target"])
    for taken in (1, 2):
        plan = fake_plan(both, runs=runs(both), course=of_looks([10, 16, 20], taken))
        built = report.for_plan(store, plan)
        level = levels((10, 16, 20))[taken - 1]
        assert built.comparisons[0].alpha == level != ALPHA
        assert f"Looked at after {'10' if taken == 1 else '10, 16'} of at most 20 seeds" in told(built)
        assert f"the level of this look, {level:.2g} in place of 0.05" in told(built)
    store.write_plan(plan)
    assert report.build([store.root]).comparisons[0].alpha == level
    more = arms(fake, range(10, 12))
    put(*more["none"], *more["target"])
    built = report.build([store.root])  # these are not all that plan's, nor is its level theirs
    assert built.comparisons[0].alpha == ALPHA and "planned before with 10 of these 12 seeds" in told(built)


def test_plans_of_the_same_arms_with_fewer_seeds_are_told(fake: Any, fake_plan: Any, put: Any, store: Any) -> None:
    both, few = arms(fake, range(10)), arms(fake, range(6))
    put(*both["none"], *both["target"])
    assert "planned before" not in told(report.for_plan(store, fake_plan(both, runs=runs(both))))
    store.write_plan(fake_plan(few, runs=runs(few), plan_id="few"))
    store.write_plan(fake_plan({"none": few["none"]}, plan_id="of_one_arm"))
    said = told(report.for_plan(store, fake_plan(both, runs=runs(both))))
    assert "The same arms were planned before with 6 of these 10 seeds" in said
    assert "planned before" not in told(report.for_plan(store, fake_plan(few, runs=runs(few))))


@pytest.mark.parametrize(("target", "said"), [(0.001, True), (0.01, False)])
def test_one_learning_rate_that_nobody_tuned_is_told_with_the_command(
    fake: Any, fake_plan: Any, put: Any, store: Any, target: float, said: bool
) -> None:
    both = arms(fake, target=target)
    put(*both["none"], *both["target"])
    words = ["--conf=elsewhere", "results=elsewhere", "seed=range(0,6)"]  # a stored plan may be anybody's
    built = report.for_plan(store, fake_plan(both, runs=runs(both), overrides=words))
    notes = " ".join(note for c in built.comparisons for note in c.notes)
    command = "`dropbench sweep ... --tune train.lr=0.0003,0.001,0.003,0.01`"
    assert (UNTUNED in notes and command in notes) is said
    assert "elsewhere" not in notes

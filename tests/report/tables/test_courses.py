"""What stored plans say of a comparison: how arms were tuned, at which level it is judged, and who has looked before."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from typing import Any

import pytest

from dropbench import report
from dropbench.errors import UsageError
from dropbench.report.statistics.interval import ALPHA
from dropbench.report.statistics.looks import levels
from dropbench.report.tables.advice import advice
from dropbench.report.tables.enough import Budget
from dropbench.store import Candidate, Course, Rule, StoredStage, Tuned

TUNED = "Each arm ran at its own best setting"
EDGE = "The best value is at the edge of those tried"
UNTUNED = "which was not tuned for any of them here"


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


def candidate(lr: float, score: float | None, diverged: int = 0, failed: int = 0) -> Candidate:
    return Candidate(setting={"train.lr": lr}, score=score, sd=None, runs=3 - failed, diverged=diverged, failed=failed)


def found(arm_id: str, *candidates: Candidate, chosen: int | None = 0, arm: str = "x", baseline: bool = False) -> Tuned:
    return Tuned(
        arm=arm, arm_id=arm_id, measure="val_accuracy", candidates=[*candidates], chosen=chosen, baseline=baseline
    )


def of_looks(looks: list[int], taken: int) -> Course:
    return Course(rule=Rule(looks=looks), stages=[StoredStage(name="comparison", runs=[])] * taken, ended=True)


def told(found: Any) -> str:
    (comparison,) = found.comparisons
    return " ".join([*comparison.notes, *(d.says for d in comparison.further)])


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
    edge = "target, train.lr=0.0003, the smallest (try 9e-05 too)."
    assert f"{EDGE}, so a better one may lie beyond: {edge} Type the same command with more values." in said
    advised = told(report.for_plan(store, fake_plan(both, study="advise", runs=runs(both), course=course)))
    assert "Type the same command with train.lr=9e-05, around which it tries three values." in advised
    (c,) = built.comparisons
    answer = advice(c, "it", Budget(planned=40, left=True, most=400))
    assert answer is not None and "The best train.lr of target is at the edge of those tried" in answer.sentences[2]
    assert "with train.lr=9e-05 it tries others" in answer.sentences[2] and "wider than 95 %" not in answer.sentences[2]
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
        assert f"The results were looked at after {'10' if taken == 1 else '10, 16'} of at most 20 seeds" in told(built)
        assert f"the level of this look, {level:.2g} instead of 0.05" in told(built)
        answer = advice(built.comparisons[0], "it", Budget(planned=40, left=True, most=400))
        assert answer is not None and "Intervals are wider than 95 % ones" in answer.sentences[2]
    store.write_plan(plan)
    assert report.build([store.root]).comparisons[0].alpha == level
    more = arms(fake, range(10, 12))
    put(*more["none"], *more["target"])
    built = report.build([store.root])  # these are not all that plan's, nor is its level theirs
    assert built.comparisons[0].alpha == ALPHA and "planned before with 10 of these 12 seeds" in told(built)


def test_a_stop_between_two_looks_is_a_look(fake: Any, fake_plan: Any, put: Any, store: Any) -> None:
    """It is judged after those before it, and later ones after it; the runs of the next look are in no number yet."""
    both, more = arms(fake, range(12)), arms(fake, range(16))
    put(*more["none"], *more["target"])
    stages = [StoredStage(name="comparison", runs=runs(one)) for one in (arms(fake, range(10)), both, more)]
    course = Course(rule=Rule(looks=[10, 16, 20]), stages=stages, looked=[10, 12])
    store.write_plan(fake_plan(both, runs=runs(both), course=course))
    for built in (report.build([store.root]), report.build([store.root], ["study=three_arm"])):
        (comparison,) = built.comparisons
        assert comparison.alpha == levels((10, 12, 20))[1] < levels((10, 16, 20))[1]
        assert {v.difference.n for v in comparison.verdicts.values()} == {12}
        said = told(built)
        assert "looked at after 10, 12 of at most 20 seeds (after 12 because the command was stopped there)" in said
        assert "Runs under further seeds are in no number before the next look" in said
        assert "only served" not in " ".join(built.notes)
    whole = replace(course, looked=[10, 12, 16])
    built = report.for_plan(store, fake_plan(more, runs=runs(more), course=whole))
    assert built.comparisons[0].alpha == levels((10, 12, 16, 20))[2] < levels((10, 16, 20))[1]
    assert "Runs under further seeds" not in told(built)


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
def test_one_learning_rate_that_nobody_tuned_is_told_with_what_would_tune_it(
    fake: Any, fake_plan: Any, put: Any, store: Any, target: float, said: bool
) -> None:
    both = arms(fake, target=target)
    put(*both["none"], *both["target"])
    built = report.for_plan(store, fake_plan(both, runs=runs(both)))
    further = [d for c in built.comparisons for d in c.further]
    assert [d.options for d in further] == [("--tune", "train.lr=0.0003,0.001,0.003,0.01")] * said
    assert all(UNTUNED in d.says for d in further)
    for form in ("markdown", "latex", "json", "html", "rich"):
        assert (UNTUNED in re.sub(r"\s+", " ", report.render(built, form))) is said


def test_what_the_tuning_did_not_find_is_said(fake: Any, fake_plan: Any, put: Any, store: Any) -> None:
    both = arms(fake)
    put(*both["none"], *both["target"])
    ids = {name: records[0].arm_id for name, records in both.items()}
    all_diverged = found(ids["target"], candidate(0.001, None, 3), candidate(0.01, None, 3))
    equal = found(ids["none"], candidate(0.001, 0.9), candidate(0.01, 0.9), candidate(0.0001, 0.8))
    lost = [found("a", candidate(1.0, None, failed=3), chosen=None, arm=name) for name in ("other", "target")]
    course = Course(
        rule=Rule(tune={"train.lr": [0.001, 0.01]}, tuning_seeds=[500]),
        stages=[StoredStage(name="tuning", runs=["x"]), StoredStage(name="comparison", runs=runs(both))],
        tuned=[equal, all_diverged, *lost],
    )
    said = told(report.for_plan(store, fake_plan(both, runs=runs(both), course=course)))
    assert "target, train.lr=0.001 (0.001: 3 of 3 diverged, 0.01: 3 of 3 diverged)" in said
    assert "so no setting is better than another: target; try values of train.lr below 0.001." in said
    assert "scored the same as the chosen one: none." in said
    assert (
        "Left out, since every tuning run failed: other." in said
    )  # the lost target is compared all the same, say as other code
    assert EDGE not in said  # a setting that diverged is no best one


@pytest.mark.parametrize(
    ("tried", "chosen", "said"),
    [
        ((3e-4, 1e-3, 3e-3), 2, ("largest", 9e-3)),
        ((3e-4, 1e-3, 3e-3), 0, ("smallest", 9e-5)),
        ((3e-4, 1e-3, 3e-3), 1, None),
        ((0.1, 0.3, 0.5), 2, ("largest", 0.83)),
        ((0.3, 0.5, 0.8), 2, ("largest", 0.9)),  # which may be a rate: 1.28 is none
        ((0.0, 0.1, 0.5), 0, None),  # nothing is below 0
        ((0.0, 0.1), 1, ("largest", 0.2)),
        ((16, 64), 1, ("largest", 256)),
        ((1, 2), 0, None),
        ((7, 8), 1, ("largest", 9)),
        ((0.98, 0.99), 1, ("largest", 0.99 + 0.005)),
        (("a", "b"), 1, None),
    ],
)
def test_a_value_beyond_the_edge(tried: tuple[Any, ...], chosen: int, said: tuple[str, float] | None) -> None:
    of = [Candidate(setting={"k": v}, score=0.5, sd=None, runs=1, diverged=0) for v in tried]
    edges = Tuned(arm="a", arm_id="i", measure="val_loss", candidates=of, chosen=chosen).edges
    assert [(e.end, e.beyond) for e in edges] == ([(said[0], pytest.approx(said[1]))] if said else [])
    if edges and isinstance(tried[0], int):
        assert isinstance(edges[0].beyond, int)


def test_a_baseline_that_failed_while_it_was_tuned_leaves_nothing_to_report(
    fake: Any, fake_plan: Any, put: Any, store: Any
) -> None:
    both = arms(fake)
    put(*both["none"], *both["target"])
    for lost, said in (
        ([], "it is not finished"),
        (
            [found("a", candidate(1.0, None, failed=3), chosen=None, arm="none", baseline=True)],
            "none, the baseline, failed",
        ),
    ):
        stages = [StoredStage(name="tuning", runs=runs(both))]
        course = Course(rule=Rule(tune={"train.lr": [1.0]}), stages=stages, tuned=lost, ended=bool(lost))
        store.write_plan(fake_plan({}, runs=[], course=course, plan_id="tuning", study="s"))
        for words in ([], ["study=s"]):
            with pytest.raises(UsageError, match=said):
                report.build([store.root], words)


def test_a_study_with_a_pilot_is_not_told_to_tune(fake: Any, fake_plan: Any, put: Any, store: Any) -> None:
    """Its comparison is made once, as it stands."""
    runs = [fake(s, changes={"dropout.rate": r, "train.lr": 0.001}) for r in (0.0, 0.5) for s in range(6)]
    put(*runs)
    plan = fake_plan({"none": runs[:6], "half": runs[6:]}, study="mine")
    for pilot, told in (([], True), ([900], False)):
        course = Course(rule=Rule(pilot=pilot, seeds=list(range(6))), stages=[], ended=True)
        store.write_plan(replace(plan, course=course if pilot else None))
        (comparison,) = report.build([store.root], ["study=mine"]).comparisons
        assert any(d.rule == "not tuned" for d in comparison.further) == told

"""A baseline that gives every example one class has learned nothing; that is said in place of any other rule."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from dropbench import report


@pytest.mark.parametrize(
    ("answered", "rules"), [(1.0, {"nothing learned"}), (0.97, {"no overfitting to fix", "undecided"})]
)
def test_one_class_for_all(fake: Any, put: Any, store: Any, answered: float, rules: set[str]) -> None:
    for seed in range(8):
        for arm in ("none", "standard"):
            changes = {"dropout": arm, "dropout.rate": 0.5 * (arm == "standard")}
            score = 0.95 + 0.0001 * ((seed + (arm == "none")) % 3)
            told = {"majority": 0.95, "answered": answered}
            put(fake(seed, changes=changes, train=score, val=score, test=score, test_classes=told))
    (comparison,) = report.build([store.root]).comparisons
    found = {d.rule: d for d in comparison.diagnosis or ()}
    assert found.keys() <= rules and (answered < 1 or found.keys() == rules)
    if answered == 1:
        told = found["nothing learned"]
        assert (
            "The baseline (no dropout) gives all test examples the same class in 8 of 8 seeds" in told.says
            and "95.0 %" in told.says
        )
        assert told.steps[0].config["train"]["epochs"] == 2 * comparison.runs["train.epochs"].iloc[0]


def test_an_arm_that_learns_where_the_baseline_does_not_helps(fake: Any, put: Any, store: Any) -> None:
    for seed in range(8):
        put(
            fake(
                seed,
                changes={"dropout": "none"},
                test=0.5,
                val=0.5,
                train=0.5,
                test_classes={"majority": 0.5, "answered": 1.0},
            )
        )
        changes = {"dropout": "standard", "dropout.rate": 0.5}
        put(fake(seed, changes=changes, test=0.9 + seed / 1000, test_classes={"majority": 0.5, "answered": 0.5}))
    (comparison,) = report.build([store.root]).comparisons
    assert "helping" in {d.rule for d in comparison.diagnosis or ()}


def test_an_arm_that_is_better_by_giving_one_class_does_not_help(fake: Any, put: Any, store: Any) -> None:
    for seed in range(8):
        put(fake(seed, test=0.92 + seed / 1000, test_classes={"majority": 0.95, "answered": 0.96}))
        changes = {"dropout": "standard", "dropout.rate": 0.5}
        put(fake(seed, changes=changes, test=0.95, val=0.95, test_classes={"majority": 0.95, "answered": 1.0}))
    (comparison,) = report.build([store.root]).comparisons
    (found,) = [d for d in comparison.diagnosis or () if d.rule in ("helping", "one class")]
    assert (found.rule, found.steps) == ("one class", ()) and "same class in 8 of 8 seeds" in found.says
    assert found.advice.endswith("metric=[loss,accuracy,balanced_accuracy]")


def test_a_worse_arm_without_a_reason_has_its_verdict_and_the_baseline_is_kept(fake: Any, put: Any, store: Any) -> None:
    for seed in range(8):
        wobble = 0.001 * (seed % 3)
        put(fake(seed, changes={"dropout": "none"}, train=0.95, val=0.9 + wobble, test=0.9))
        changes = {"dropout": "standard", "dropout.rate": 0.5}
        put(fake(seed, changes=changes, train=0.95, val=0.9 + wobble, test=0.8 + wobble))
    text = " ".join(report.render(report.build([store.root]), "rich", 80).split())
    assert "Every verdict is confirmed, and no arm is better than no dropout. Next: keep no dropout." in text


@pytest.mark.parametrize(
    ("majority", "train", "loss", "nothing"),
    [
        (0.1, 0.14, 2.3, True),  # ten classes: near chance, and no better than a constant answer
        (0.1, 0.2, 2.3, False),
        (0.5, 0.51, 0.7, True),
        (0.5, 0.51, 0.6, False),  # right on no more, but surer where it is right
        (0.95, 0.951, 0.15, False),  # most have one class, and the network knows much about who has not
        (0.95, 0.951, 0.2, True),
    ],
)
def test_hardly_better_than_a_constant_answer(
    fake: Any, put: Any, store: Any, majority: float, train: float, loss: float, nothing: bool
) -> None:
    for seed in range(6):
        for rate in (0.0, 0.5):
            changes = {"dropout": "standard" if rate else "none", "dropout.rate": rate}
            told = {"majority": majority, "answered": 0.6}
            score = train + 0.0001 * ((seed + (rate > 0)) % 3)
            run = fake(seed, changes=changes, train=score, val=score, test=score, test_classes=told)
            gap = loss - run.metrics["val_loss"]
            put(replace(run, metrics={**run.metrics, "train_loss": loss, "gap_loss": gap}))
    whole = report.build([store.root])
    found = {d.rule for d in whole.comparisons[0].diagnosis or ()}
    assert ("nothing learned" in found) == nothing
    assert ("The baseline (no dropout) has learned next to nothing" in report.render(whole, "rich", 200)) == nothing
    assert not nothing or "no overfitting to fix" not in found


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize(
    ("told", "changes"),
    [
        ({"majority": 1.0, "answered": 1.0}, {}),  # the latest rows, which a time split tests, have one class
        ({"majority": 0.95, "answered": 0.6}, {"train.class_weights": "balanced"}),
    ],
)
def test_what_says_nothing_about_learning_is_not_taken_for_it(
    told: dict[str, float], changes: dict[str, Any], fake: Any, put: Any, store: Any
) -> None:
    """Class weights have a network pay for the frequent class with errors; one class in the test split is no answer of it."""
    for seed in range(6):
        for rate in (0.0, 0.5):
            own = {"dropout": "standard" if rate else "none", "dropout.rate": rate, **changes}
            score = 0.83 + 0.0001 * ((seed + (rate > 0)) % 3)
            run = fake(seed, changes=own, train=score, val=score, test=score, test_classes=told)
            put(replace(run, metrics={**run.metrics, "train_loss": 0.5, "gap_loss": 0.5 - run.metrics["val_loss"]}))
    (comparison,) = report.build([store.root]).comparisons
    assert not {d.rule for d in comparison.diagnosis or ()} & {"nothing learned", "one class"}
    assert not [note for note in comparison.notes if "same class" in note]

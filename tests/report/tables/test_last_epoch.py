"""What is told of runs that are tested at their last epoch: that it is long after the best, or that training is unsteady there.

The fake runs have 40 epochs, so that the last quarter is epochs 31 to 40.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from dropbench import report
from dropbench.report.output.page.todo import todo
from dropbench.report.tables.comparison import Diagnosis
from dropbench.report.tables.finding import finding

LAST = 40
DROPOUT = {"dropout": "standard", "dropout.rate": 0.5}
MIXUP = {"name": "mixup", "strength": "alpha", "alpha": 0.2}
CALM = [0.9**epoch for epoch in range(LAST)]
JUMPING = [loss * (30 if epoch % 3 == 0 else 1) for epoch, loss in enumerate(CALM)]
"""A loss that each third epoch is 30 times what it would be, and so 27 times the loss of the epoch before."""
Scores = NDArray[np.float64]
Arm = tuple[dict[str, Any], Sequence[float], Scores]


def scores(moves: float, *, seeds: int = 10, apart: float = 0.01) -> Scores:
    """Validation accuracies [seed, epoch]: a level of each seed, whose sd is `apart`, and noise of sd `moves` in each epoch."""
    random = np.random.default_rng(0)
    return 0.9 + apart * random.standard_normal((seeds, 1)) + moves * random.standard_normal((seeds, LAST))


def still(seeds: int = 10) -> Scores:
    """Validation accuracies that are the same under each seed and in each epoch."""
    return np.full((seeds, LAST), 0.9)


@pytest.fixture
def told(fake: Any, store: Any) -> Callable[..., list[Diagnosis]]:
    """A function that stores arms and returns what their report says of an unsteady end."""

    def of(*arms: Arm, metric: str | None = None, **fields: Any) -> list[Diagnosis]:
        for changes, losses, of_seeds in arms:
            for seed, of_epochs in enumerate(of_seeds.tolist()):
                rows = enumerate(zip(losses, of_epochs, strict=True), 1)
                history = [{"epoch": at, "train_loss": loss, "val_accuracy": score} for at, (loss, score) in rows]
                about = {"val": of_epochs[-1], "chosen_epoch": LAST, "epochs_run": LAST, **fields}
                store.write(fake(seed, changes={"train.lr": 0.001, **changes}, **about), history, "")
        (comparison,) = report.build([store.root], metric=metric).comparisons
        return [d for d in comparison.further if d.rule == "unsteady at its end"]

    return of


def test_an_arm_whose_loss_and_score_jump_is_told_of(told: Any) -> None:
    jumping = scores(0.02)
    (found,) = told(({}, CALM, still()), (DROPOUT, JUMPING, jumping))
    assert found.arms == ("standard 0.5",) and found.options == ("regularizer=swa",)
    assert "rises to 27 times its lowest value before in standard 0.5 and 1.0 times in none" in found.says
    moves = 100 * np.sqrt(np.square(np.diff(jumping[:, -LAST // 4 :])).mean())
    assert f"From one epoch to the next, validation accuracy moves by {moves:.2g} and 0 points." in found.says


@pytest.mark.parametrize(("factor", "expected"), [(4, False), (5, True)])
def test_the_loss_has_to_rise_to_four_times_what_it_was(told: Any, factor: int, expected: bool) -> None:
    """Each third epoch it rises to nine tenths of the factor."""
    losses = [loss * (factor if epoch % 3 == 0 else 1) for epoch, loss in enumerate(CALM)]
    assert bool(told(({}, CALM, still()), (DROPOUT, losses, scores(0.02)))) == expected


def test_an_unsteady_baseline_is_told_of_too(told: Any) -> None:
    (found,) = told(({}, JUMPING, scores(0.02)), (DROPOUT, CALM, still()))
    assert found.arms == ("none", "standard 0.5") and "27 times its lowest value before in none (median" in found.says


@pytest.mark.parametrize(
    ("losses", "moves", "changes", "more"),
    [
        (CALM, 0.02, {}, {}),  # the score moves as much as where there are jumps, but the loss only falls
        (JUMPING, 0.001, {}, {}),  # the loss jumps, but the score does not feel it
        ([*JUMPING[:30], *CALM[30:]], 0.02, {}, {}),  # the jumps are over
        (JUMPING, 0.02, {"train.patience": 30}, {}),
        (JUMPING, 0.02, {}, {"chosen_epoch": 35}),
        (JUMPING, 0.02, {"train.class_weights": "balanced"}, {}),  # this loss is not the one that training minimizes
        (JUMPING, 0.02, {}, {"metric": "gap_accuracy"}),
        (JUMPING, 0.02, {}, {"metric": "loss"}),  # whose course on validation data these histories lack
    ],
)
def test_a_steady_or_chosen_end_is_not_told_of(
    told: Any, losses: list[float], moves: float, changes: dict[str, Any], more: dict[str, Any]
) -> None:
    arms = (changes, CALM, still()), ({**DROPOUT, **changes}, losses, scores(moves))
    assert told(*arms, **more) == []


def test_six_seeds_are_needed(told: Any) -> None:
    assert told(({}, CALM, still(5)), (DROPOUT, JUMPING, scores(0.02, seeds=5))) == []
    assert told(({}, CALM, still(6)), (DROPOUT, JUMPING, scores(0.02, seeds=6))) != []


@pytest.mark.parametrize(("share", "expected"), [(0.1, False), (0.18, False), (0.32, True), (0.6, True)])
def test_the_score_has_to_carry_a_quarter_of_the_variance_between_seeds(
    told: Any, share: float, expected: bool
) -> None:
    """The true share is that of the noise from which the scores are drawn; 200 seeds estimate it well."""
    drawn = scores(0.01 * share**0.5, seeds=200, apart=0.01 * (1 - share) ** 0.5)
    assert bool(told(({}, CALM, still(200)), (DROPOUT, JUMPING, drawn))) == expected


@pytest.mark.parametrize(
    ("changes", "option"),
    [
        ({}, "regularizer=swa"),
        ({"regularizer": {"mixup": MIXUP}}, "train.schedule=cosine"),
        ({"regularizer": {"mixup": MIXUP}, "train.schedule": "step"}, "train.patience=8"),
    ],
)
def test_what_is_proposed_keeps_what_the_arms_have(told: Any, changes: dict[str, Any], option: str) -> None:
    (found,) = told((changes, CALM, still()), ({**changes, **DROPOUT}, JUMPING, scores(0.02)))
    assert found.options == (option,) and found.advice.startswith(option)


def test_of_many_arms_the_three_that_jump_most_are_named(told: Any) -> None:
    arms = []
    for i, rate in enumerate((0.1, 0.2, 0.3, 0.4, 0.5), 1):
        losses = [loss * (10 * i if epoch % 3 == 0 else 1) for epoch, loss in enumerate(CALM)]
        arms.append(({"dropout": "standard", "dropout.rate": rate}, losses, scores(0.02)))
    (found,) = told(({}, CALM, still()), *arms)
    assert found.arms == tuple(f"standard {rate}" for rate in (0.5, 0.4, 0.3, 0.2, 0.1))
    assert (
        "45 times its lowest value before in standard 0.5, 36 times in standard 0.4, 27 times in standard" in found.says
    )
    assert "2 more arms are unsteady too" in found.says


@pytest.mark.parametrize(
    ("best", "gain", "train", "chosen", "told"),
    [
        (3, 0.02, {}, 10, True),
        (5, 0.02, {}, 10, True),
        (6, 0.02, {}, 10, False),  # past the middle of training
        (3, 0.0, {}, 10, False),  # no arm does better
        (3, 0.02, {"train.patience": 4}, 10, False),
        (3, 0.02, {}, 3, False),  # not the last epoch
    ],
)
def test_a_baseline_that_is_tested_long_after_its_best_epoch_is_told_of(
    fake: Any, store: Any, best: int, gain: float, train: dict[str, int], chosen: int, told: bool
) -> None:
    losses = [0.5 + 0.01 * abs(epoch - best) for epoch in range(1, 11)]
    history = [{"epoch": epoch, "val_loss": loss} for epoch, loss in enumerate(losses, 1)]
    for seed in range(6):
        for changes, more in (({}, 0.0), ({"dropout": "standard", "dropout.rate": 0.5}, gain)):
            test = 0.8 + seed / 1e3 + more
            record = fake(seed, changes={**changes, **train}, test=test, chosen_epoch=chosen, epochs_run=10)
            store.write(record, history, "")
    (comparison,) = report.build([store.root]).comparisons
    found = [d for d in comparison.further if d.rule == "trained past its best"]
    assert bool(found) == told
    late = "does better than no dropout, which was trained past its best"
    assert (late in finding(comparison).heading) == told
    assert ("First compare them with early stopping: add train.patience=2 to the same" in todo(comparison)) == told
    if told:
        assert todo(comparison).startswith(
            "Keep the baseline (no dropout) for now: standard 0.5 may do better only because"
        )
        assert f"The baseline (no dropout) had its best validation loss in epoch {best} of 10 (median)" in found[0].says
        assert found[0].options == ("train.patience=2",)


@pytest.mark.parametrize(
    ("best", "gain", "train", "told", "first"),
    [
        (10, -0.02, {}, True, True),
        (10, 0.02, {}, True, False),  # what is better already may be used
        (9, -0.02, {}, False, False),
        (10, -0.02, {"train.patience": 4}, False, False),
        (10, -0.02, {"train.schedule": "cosine"}, False, False),  # which is meant to be best at its end
    ],
)
def test_a_baseline_that_is_best_at_its_end_is_told_of(
    fake: Any, store: Any, best: int, gain: float, train: dict[str, Any], told: bool, first: bool
) -> None:
    history = [{"epoch": epoch, "val_loss": 0.5 + 0.01 * abs(epoch - best)} for epoch in range(1, 11)]
    for seed in range(6):
        for changes, more in (({}, 0.0), ({"dropout": "standard", "dropout.rate": 0.5}, gain)):
            test = 0.8 + seed / 1e3 + more
            record = fake(
                seed, changes={"train.epochs": 10, **changes, **train}, test=test, chosen_epoch=10, epochs_run=10
            )
            store.write(record, history, "")
    (comparison,) = report.build([store.root]).comparisons
    found = [d for d in comparison.further if d.rule == "still improving at its end"]
    assert bool(found) == told
    assert ("First train for longer: add train.epochs=20 train.patience=4 to the same" in todo(comparison)) == first
    if told:
        assert "had its best validation loss in epoch 10 of 10 (median)" in found[0].says
        assert found[0].options == ("train.epochs=20", "train.patience=4")

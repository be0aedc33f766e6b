"""The one next step: which arm it is about, what it changes, and the decision it is said to buy."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from dropbench import report
from dropbench.report.output.sections import advice
from dropbench.report.tables.columns import p_value
from dropbench.report.tables.comparison import Comparison, Diagnosis

WOBBLE = (0.0, 0.004, -0.003, 0.002, -0.004, 0.001, 0.003, -0.002)


@pytest.fixture
def arm(fake: Any, store: Any) -> Callable[..., None]:
    """Stores eight seeds of an arm, of which the first may have diverged; every epoch has a gradient norm."""

    def put(rate: float, test: float, val: float = 0.9, *, lost: int = 0, norm: float = 2.0, turn: int = 0) -> None:
        changes: dict[str, Any] = {"train.lr": 0.1}
        changes |= {"dropout": "standard", "dropout.rate": rate} if rate else {}
        for s in range(8):
            wobble = WOBBLE[(s + turn) % 8]
            ended = {"status": "diverged", "reason": "loss nan"} if s < lost else {}
            record = fake(s, changes=changes, val=val + wobble, test=test + wobble, **ended)
            size = 1e9 if s < lost else norm
            rows = [{"epoch": i + 1, "grad_norm": size, "train_loss": 1 / (i + 1)} for i in range(3)]
            store.write(record, rows, "")

    return put


def compared(store: Any) -> Comparison:
    return report.build([store.root]).comparisons[0]


def told(store: Any, rule: str) -> Diagnosis:
    return next(d for d in compared(store).diagnosis or () if d.rule == rule)


def test_the_arm_that_is_best_in_validation_comes_first(arm: Any, store: Any) -> None:
    arm(0.0, 0.90)
    arm(0.2, 0.97, val=0.93, turn=1)  # the best in the test is not
    arm(0.4, 0.95, val=0.95, turn=2)
    helping = [d.arms[0] for d in compared(store).diagnosis or () if d.rule == "helping"]
    assert helping == ["standard 0.4", "standard 0.2"]


@pytest.mark.parametrize(("lost", "lr", "clip"), [(2, 0.1, 2.0), (3, 0.1, 2.0), (4, 0.01, None), (8, 0.01, None)])
def test_gradients_of_runs_that_diverged_set_no_clip(
    arm: Any, store: Any, lost: int, lr: float, clip: float | None
) -> None:
    arm(0.0, 0.90)
    arm(0.2, 0.90, lost=lost, turn=1)
    d = told(store, "unstable")
    train = d.steps[0].config["train"]
    assert (train["lr"], train["grad_clip"]) == (lr, clip) and "standard 0.2" in d.buys


@pytest.mark.parametrize(("gain", "often"), [(0.02, "more than four of five"), (0.0075, "fewer than four of five")])
def test_how_often_fresh_seeds_confirm_it_is_as_the_table_has_it(arm: Any, store: Any, gain: float, often: str) -> None:
    arm(0.0, 0.90)
    arm(0.2, 0.90 + gain, val=0.94, turn=3)
    arm(0.4, 0.90, val=0.9, turn=1)
    contrast = compared(store).verdicts["standard 0.2"]
    assert contrast.verdict == "better" and (contrast.difference.mean > contrast.detectable) == (often[:4] == "more")
    d = told(store, "helping")
    assert often in d.buys and "better by more than 0.2 points" in d.buys
    assert f"p = {p_value(contrast.difference.p_adjusted)};" in d.says


def test_what_more_seeds_settle(arm: Any, store: Any) -> None:
    arm(0.0, 0.90)
    arm(0.2, 0.905, turn=3)
    d = told(store, "undecided")
    contrast = compared(store).verdicts["standard 0.2"]
    assert "It is still open whether test accuracy changes by more than 0.2 points" in d.says
    assert f"{contrast.seeds_needed.likely - 8:.0f} more seeds of standard 0.2 and none" in d.advice
    assert (
        d.buys
        == "That would settle whether standard 0.2 differs by more than 0.2 points: four of five such studies confirm it."
    )


@pytest.mark.parametrize("ran", [50, 10])
def test_runs_that_stop_early_are_expected_to_do_so_again(fake: Any, put: Any, store: Any, ran: int) -> None:
    """Each run took 3.5 s, however many of its 50 epochs it ran; so does each of those that are proposed."""
    for seed in range(3):
        for rate in (0.0, 0.5):
            changes = {"dropout": "standard", "dropout.rate": rate} if rate else {}
            put(fake(seed, changes=changes, test=0.9 + 0.01 * seed * rate, epochs_run=ran, chosen_epoch=5, seconds=3.5))
    c = compared(store)
    runs = sum(len(step.seeds) for step in told(store, "undecided").steps)
    assert f"; {runs} runs, about {3.5 * runs:.2g} s of training" in " ".join(a.text for a in advice(c))

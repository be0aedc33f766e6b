"""A finite explosion is a divergence; a network that merely collapsed, or is sure and wrong, is not."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor
from training import Trained, cohort_of, differences, made_table, make_spec

from dropbench.engine import divergence
from dropbench.engine.divergence import FACTORS
from dropbench.engine.evaluate import evaluate
from dropbench.engine.replicas import Replicas
from dropbench.spec import EvalSpec

EXPLODES: dict[str, Any] = {"optimizer": "sgd", "lr": 1e4, "momentum": 0.0, "grad_clip": 1.0}


@pytest.mark.parametrize("model", ["mlp", "autoencoder"])
def test_a_finite_explosion_diverges_and_its_neighbour_never_knows(model: str) -> None:
    good, bad = (
        s.model_copy(update={"metric": {"loss": s.metric["loss"]}})
        for s in (make_spec(model, seed=1, **{**EXPLODES, "lr": 0.01}), make_spec(model, seed=2, **EXPLODES))
    )
    together, alone = Trained(good, bad), Trained(bad)
    lost = together[bad]
    assert all(math.isfinite(row["train_loss"]) for row in lost.history), "finite, or another rule found it"
    assert lost.status == "diverged" and str(lost.reason).startswith("the loss exploded: train_loss is ")
    assert lost.metrics == {} and lost.chosen_epoch is None and len(lost.history) == 2
    assert not differences(bad, alone, together) and not differences(good, Trained(good), together)
    assert together[good].status == "completed"


def test_the_chosen_epoch_counts_and_not_the_last() -> None:
    """Where the best epoch is restored, what came after it is no matter."""
    spec = make_spec(seed=1, optimizer="sgd", lr=30.0, momentum=0.0, epochs=6, patience=5)
    result = Trained(spec)[spec]
    losses = [row["train_loss"] for row in result.history]
    assert result.chosen_epoch is not None and losses[result.chosen_epoch - 1] < 100 * math.log(10)
    assert result.status == "completed"


def test_one_that_answers_the_same_to_everything_completes() -> None:
    """A collapse: a huge step leaves no hidden unit alive, and the head learns a constant."""
    spec = make_spec(seed=1, lr=10.0, epochs=8)
    result = Trained(spec)[spec]
    assert result.metrics["val_accuracy"] < 0.2 and result.status == "completed", result.reason


def test_one_that_learnt_wrong_labels_by_heart_completes() -> None:
    spec = make_spec(lr=0.03, epochs=60, split={"label_noise": 0.8}, options={"widths": [64]})
    result = Trained(spec)[spec]
    assert result.metrics["train_loss"] < 0.1 and result.metrics["val_loss"] > 2 * math.log(10)
    assert result.status == "completed"


@pytest.mark.parametrize("part", FACTORS)
@given(above=st.booleans(), classes=st.integers(2, 50))
def test_the_limit_of_each_part(part: str, above: bool, classes: int) -> None:
    loss = FACTORS[part] * math.log(classes) * (1.001 if above else 0.999)
    told = divergence._exploded({"train_loss": 0.0, f"{part}_loss": loss}, math.log(classes))
    assert (told is not None and f"{part}_loss" in told) == above


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_a_test_score_that_is_no_number_is_no_completed_run(monkeypatch: pytest.MonkeyPatch, value: float) -> None:
    good, bad = make_spec(seed=1), make_spec(seed=2)
    cohort = cohort_of(good, bad)

    def spoilt(replicas: Replicas, part: str, listen: Any = None) -> dict[str, Tensor]:
        at = torch.tensor([s.run_id == bad.run_id for s in replicas.specs])
        found = evaluate(replicas, part, listen)
        return {**found, "accuracy": torch.where(at, value, found["accuracy"])} if part == "test" else found

    monkeypatch.setattr("dropbench.engine.scores.evaluate", spoilt)
    results = {r.spec.run_id: r for r in cohort.run()}
    assert results[bad.run_id].status == "diverged" and results[bad.run_id].metrics == {}
    assert results[bad.run_id].reason == f"its test_accuracy is {value}"
    assert results[good.run_id].status == "completed"


def test_the_loss_is_taken_where_it_was_not_asked_for() -> None:
    bad, good = (
        s.model_copy(update={"metric": {"accuracy": s.metric["accuracy"]}})
        for s in (make_spec(seed=1, monitor="val_accuracy", **EXPLODES), make_spec(seed=1, monitor="val_accuracy"))
    )
    assert Trained(bad)[bad].status == "diverged" and Trained(good)[good].status == "completed"


def test_the_loss_that_is_taken_is_the_metric() -> None:
    spec = make_spec(seed=1)
    cohort = cohort_of(spec, table=made_table(300))
    expected = evaluate(cohort.replicas, "train")["loss"]
    torch.testing.assert_close(divergence._trained_loss(cohort.replicas), expected.double(), rtol=1e-6, atol=0)


def test_what_eval_mode_adds_counts_too() -> None:
    spec = make_spec(seed=1, rate=0.5).model_copy(update={"eval": EvalSpec(mode="mc", passes=2)})
    cohort = cohort_of(spec)
    assert divergence.lost(cohort.replicas, [{"train_loss": 1.0}], [{"val_mc_loss": math.nan}]) == [
        "its val_mc_loss is nan"
    ]

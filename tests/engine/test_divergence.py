"""A run whose loss is not finite ends, and its neighbours never know."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from training import Trained, cohort_of, differences, make_spec

from dropbench.engine.evaluate import evaluate
from dropbench.engine.replicas import Replicas


@pytest.mark.parametrize("model", ["mlp", "cnn", "rnn"])
@pytest.mark.parametrize("common", [{}, {"patience": 2}, {"grad_clip": 5.0}], ids=["plain", "patience", "clip"])
def test_one_diverges_and_the_others_train_on(model: str, common: dict[str, Any]) -> None:
    def arm(seed: int, lr: float):  # type: ignore[no-untyped-def]
        return make_spec(model, rate=0.3, seed=seed, optimizer="sgd", lr=lr, epochs=3, **common)

    good, bad, other = arm(1, 0.01), arm(2, 1e38), arm(3, 0.02)
    beside, without = Trained(good, bad, other), Trained(good, other)
    for spec in (good, other):
        assert not differences(spec, beside, without)
        assert beside[spec].status == "completed" and beside[spec].reason is None
    lost = beside[bad]
    assert lost.status == "diverged"
    assert lost.reason == "the loss was not finite in epoch 1"
    assert lost.metrics == {} and lost.chosen_epoch is None
    assert len(lost.history) == 1 and not math.isfinite(lost.history[0]["train_loss"])


def test_alone_and_in_company_it_diverges_alike() -> None:
    specs = [make_spec(seed=s, optimizer="sgd", lr=1e30) for s in range(2)]
    together = Trained(*specs)
    for spec in specs:
        assert not differences(spec, Trained(spec), together)


def test_a_loss_that_turns_up_only_in_training_counts() -> None:
    """No scores are due in the epoch in which it happens."""
    spec = make_spec(seed=1, optimizer="sgd", lr=1e30, epochs=4, eval_every=4)
    result = Trained(spec)[spec]
    assert result.status == "diverged" and len(result.history) == 1


def test_a_large_but_finite_loss_is_no_divergence() -> None:
    spec = make_spec(seed=1, optimizer="sgd", lr=3.0, momentum=0.0, grad_clip=0.5)
    result = Trained(spec)[spec]
    assert result.status == "completed" and result.metrics["train_loss"] > 1


def test_a_score_that_is_not_finite_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    """The training loss may still be finite, as its mean is of the steps before the last."""
    good, bad = make_spec(seed=1), make_spec(seed=2)
    cohort = cohort_of(good, bad)

    def spoilt(replicas: Replicas, part: str, listen: Any = None) -> dict[str, torch.Tensor]:
        at = torch.tensor([s.run_id == bad.run_id for s in replicas.specs])
        scores = evaluate(replicas, part, listen)
        return {m: torch.where(at, math.inf, v) if part == "val" else v for m, v in scores.items()}

    monkeypatch.setattr("dropbench.engine.scores.evaluate", spoilt)
    results = {r.spec.run_id: r for r in cohort.run()}
    assert results[bad.run_id].status == "diverged" and len(results[bad.run_id].history) == 1
    assert results[good.run_id].status == "completed"


@pytest.mark.parametrize("name", ["val", "test"])
def test_a_score_that_is_not_defined_for_the_examples_is_missing_and_the_run_has_a_result(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """R² is NaN where all targets are equal, whatever the network answers."""
    spec = make_spec(seed=1)

    def undefined(replicas: Replicas, part: str, listen: Any = None) -> dict[str, torch.Tensor]:
        scores = evaluate(replicas, part, listen)
        return {**scores, "r2": torch.full_like(scores["loss"], math.nan if part == name else 0.5)}

    monkeypatch.setattr("dropbench.engine.scores.evaluate", undefined)
    (result,) = cohort_of(spec).run()
    assert result.status == "completed" and len(result.history) == spec.train.epochs
    assert math.isnan(result.metrics[f"{name}_r2"]) and math.isfinite(result.metrics[f"{name}_loss"])


def test_a_run_whose_epoch_would_be_chosen_by_a_score_that_is_not_defined_has_no_result(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    spec = make_spec(seed=1, patience=2, monitor="val_r2")

    def undefined(replicas: Replicas, part: str, listen: Any = None) -> dict[str, torch.Tensor]:
        scores = evaluate(replicas, part, listen)
        return {**scores, "r2": torch.full_like(scores["loss"], math.nan)}

    monkeypatch.setattr("dropbench.engine.scores.evaluate", undefined)
    (result,) = cohort_of(spec).run()
    assert result.status == "diverged"
    assert result.reason == "val_r2, by which its epoch is chosen, is not defined for these examples"


@pytest.mark.parametrize("metric", ["loss", "accuracy"])
def test_a_network_that_answers_nan_at_its_end_is_lost_whatever_is_measured(
    metric: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The mean loss of the last epoch's updates is still finite, if the last of them broke the weights."""
    spec = make_spec(seed=1, epochs=1)
    cohort = cohort_of(spec.model_copy(update={"metric": {metric: spec.metric[metric]}}))
    step, updates = cohort.train_step, []

    def breaking(*arguments: Any) -> Any:
        found = step(*arguments)
        updates.append(found)
        if len(updates) == cohort.replicas.batches.steps:
            with torch.no_grad():
                for parameter in cohort.parameters:
                    parameter.fill_(math.nan)
        return found

    monkeypatch.setattr(cohort, "train_step", breaking)
    (result,) = cohort.run()
    assert result.status == "diverged"

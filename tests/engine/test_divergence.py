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

"""bf16 is for matrix products only: close to fp32, with everything that is kept in fp32."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from training import Trained, cohort_of, make_spec

from dropbench.engine.evaluate import evaluate

CASES: list[tuple[str, str, dict[str, Any]]] = [
    ("mlp", "standard", {}),
    ("mlp", "dropconnect", {}),
    ("mlp", "gaussian", {"options": {"batch_norm": "before_activation"}}),
    ("cnn", "spatial", {"options": {"batch_norm": "after_activation"}}),
    ("rnn", "locked", {"options": {"cell": "lstm"}}),
    ("rnn", "locked", {"options": {"cell": "gru"}}),
    ("user_models.Small", "standard", {}),
]


@pytest.mark.parametrize(("model", "variant", "more"), CASES)
def test_training_is_near_fp32(model: str, variant: str, more: dict[str, Any]) -> None:
    half, full = (make_spec(model, variant=variant, rate=0.3, lr=0.003, precision=p, **more) for p in ("bf16", "fp32"))
    a, b = Trained(half), Trained(full)
    assert a[half].status == "completed"
    for x, y in zip(a[half].history, b[full].history, strict=True):
        # bf16 has 8 bits; a logit of size 3 is off by some 0.01.
        assert x["train_loss"] == pytest.approx(y["train_loss"], abs=0.05)
        assert x["train_loss"] != y["train_loss"]  # it was in force


def test_weights_gradients_and_scores_are_fp32() -> None:
    cohort = cohort_of(make_spec(precision="bf16"))
    losses, _ = cohort.train_step(next(iter(cohort.replicas.batches.epoch())), 1.0)
    assert losses.dtype == torch.float32
    for p in cohort.parameters:
        assert p.dtype == torch.float32 and p.grad is not None and p.grad.dtype == torch.float32
    assert evaluate(cohort.replicas, "val")["loss"].dtype == torch.float32

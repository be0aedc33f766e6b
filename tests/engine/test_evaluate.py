"""Evaluation on whole splits: what a metric has to return."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor
from training import cohort_of, make_spec

from dropbench.engine import evaluate


def over_all(logits: Tensor, targets: Tensor) -> Tensor:
    """The usual mean of a single network: it would be the mean over all runs of the stack."""
    return (logits.argmax(-1) == targets).float().mean()


def each_example(logits: Tensor, targets: Tensor) -> Tensor:
    return (logits.argmax(-1) == targets).float()


def in_python(logits: Tensor, targets: Tensor) -> float:
    return float(over_all(logits, targets))


@pytest.mark.parametrize(
    ("metric", "gives"), [(over_all, r"the shape \[\]"), (each_example, r"the shape \[2, "), (in_python, "a float")]
)
def test_a_metric_returns_a_number_for_each_run(metric: object, gives: str) -> None:
    replicas = cohort_of(*(make_spec(rate=rate) for rate in (0.0, 0.5))).replicas
    assert evaluate.evaluate(replicas, "val")["accuracy"].shape == torch.Size([2])
    mine: Any = {"mine": metric}
    with pytest.raises(ValueError, match=f"metric=mine returns {gives}.* each of the 2 runs of a stack: .*mean\\(1\\)"):
        evaluate.evaluate(replace(replicas, metrics=mine), "val")

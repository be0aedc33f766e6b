"""On a GPU: the same numbers when a cohort is repeated, and close ones alone and in company. Skipped where there is none."""

from __future__ import annotations

import pytest
import torch
from training import cohort_of, make_spec, numbers

from dropbench.engine.result import RunResult
from dropbench.spec import RunSpec

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU")
MODELS = pytest.mark.parametrize("model", ["mlp", "cnn", "rnn"])
CLOSE = 1e-3
"""Relative: products of stacks of other sizes, and TF32 in convolutions, round differently. docs/engine.md states it."""


def trained(*specs: RunSpec) -> dict[str, RunResult]:
    cohort = cohort_of(*specs, device=torch.device("cuda"))
    return {result.spec.run_id: result for result in cohort.run()}


@MODELS
def test_a_cohort_repeats_itself(model: str) -> None:
    specs = [make_spec(model, rate=0.5, seed=seed, epochs=2) for seed in range(3)]
    first, second = trained(*specs), trained(*specs)
    assert all(repr(numbers(first[run])) == repr(numbers(second[run])) for run in first)


@MODELS
def test_a_run_is_close_alone_and_in_company(model: str) -> None:
    specs = [make_spec(model, rate=0.5, seed=seed, epochs=2) for seed in range(3)]
    alone, beside = trained(specs[1])[specs[1].run_id], trained(*specs)[specs[1].run_id]
    for a, b in zip(alone.history, beside.history, strict=True):
        assert a["train_loss"] == pytest.approx(b["train_loss"], rel=CLOSE)
        assert a["val_loss"] == pytest.approx(b["val_loss"], rel=CLOSE)

"""Models with residual branches are the same to the last bit alone and in any cohort, also where work is skipped."""

from __future__ import annotations

from typing import Any

import pytest
from training import arms, assert_identical

from dropbench.spec import RunSpec

DEFAULT = {"width": 64, "heads": 4, "patch": 4, "feedforward": 128}
PER_BATCH = {"per": "batch", "decay": "uniform"}
CASES: list[tuple[str, str, dict[str, Any], dict[str, Any], dict[str, Any]]] = [
    ("resnet", "standard", {}, {}, {}),
    ("resnet", "stochastic_depth", PER_BATCH, {}, {}),
    ("resnet", "stochastic_depth", PER_BATCH, {"width": 16}, {"optimizer": "sgd", "nesterov": True}),
    ("resnet", "stochastic_depth", PER_BATCH, {}, {"precision": "bf16"}),
    ("transformer", "standard", {}, {}, {}),
    ("transformer", "attention", {}, DEFAULT, {}),
    ("transformer", "stochastic_depth", {}, {}, {}),
    ("transformer", "stochastic_depth", PER_BATCH, {"branches": "layer", **DEFAULT}, {}),
    ("transformer", "stochastic_depth", PER_BATCH, {}, {"precision": "bf16"}),
]


@pytest.mark.parametrize(("model", "variant", "of_variant", "options", "train"), CASES)
def test_alone_and_in_a_stack(
    model: str, variant: str, of_variant: dict[str, Any], options: dict[str, Any], train: dict[str, Any]
) -> None:
    def given(spec: RunSpec) -> RunSpec:
        if spec.dropout.name != variant:
            return spec
        return spec.model_copy(update={"dropout": spec.dropout.model_copy(update={"options": of_variant})})

    run, cohorts = arms(model, variant, {}, batch_size=33, options=options, split={"n_train": 100}, **train)
    for others in (cohorts[-1], cohorts[1]):
        assert_identical(given(run), [given(s) for s in others])

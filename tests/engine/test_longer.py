"""What `differs` says of a short run and a longer one is what training them says."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from regularized import of, with_regularizers
from training import cohort_of, make_spec

from dropbench.config.parts import locate
from dropbench.engine.longer import differs, with_epochs
from dropbench.regularizers.base import Regularizer, Tensors
from dropbench.spec import Component, RunSpec

SHORT, LONG = 4, 6
_SCHEDULE = "dropbench.dropout.schedule"

RUNS: dict[str, RunSpec] = {
    "plain": make_spec(rate=0.3),
    "warm-up in epochs": make_spec(warmup_epochs=2),
    "steps in epochs": make_spec(schedule="step", step_every=2, step_factor=0.5),
    "cosine": make_spec(schedule="cosine"),
    "restarts": make_spec(schedule="cosine_restarts", cycles=2),
    "coslog4": make_spec(schedule="coslog4"),
    "decay": make_spec(optimizer="adamw", weight_decay=0.1, decay_schedule="flat_cos"),
    "momentum over all epochs": make_spec(optimizer="sgd", momentum_start=0.5),
    "momentum over two": make_spec(optimizer="sgd", momentum_start=0.5, momentum_epochs=2.0),
    "patience": make_spec(patience=5),
    "evaluated now and then": make_spec(eval_every=3),
    "clipped": make_spec(grad_clip=0.5, max_norm=1.0),
    "ema": with_regularizers(make_spec(), of("ema")),
    "lookahead": with_regularizers(make_spec(), of("lookahead")),
    "swa": with_regularizers(make_spec(), of("swa", 0.9)),
    "mixup": with_regularizers(make_spec(), of("mixup")),
    "gradient noise": with_regularizers(make_spec(), of("gradient_noise")),
}


def scheduled(name: str, **options: Any) -> RunSpec:
    run = make_spec(rate=0.4)
    part = Component.model_validate({"name": name, "_target_": f"{_SCHEDULE}.{name}", "options": options})
    return run.model_copy(update={"dropout": run.dropout.model_copy(update={"schedule": part})})


RUNS["rate rises"] = scheduled("linear_up")
RUNS["rate steps"] = scheduled("step", at=[0.9], factors=[1, 0])


def first_epochs(run: RunSpec, epochs: int) -> list[dict[str, Any]]:
    """Losses and weights after each of the first four epochs of a run of so many."""
    training = cohort_of(with_epochs(run, epochs))
    seen: list[dict[str, Any]] = []

    def look() -> None:
        at = training.underway
        if at.step == training.replicas.batches.steps and at.epoch <= SHORT:
            evaluated = {k: v.clone() for k, v in training.regularization.tensors().items()}
            evaluated |= {f"kept {k}": v.clone() for k, v in training.regularization.filled()}
            seen.append({"loss": at.loss.clone(), **evaluated})

    list(training.run(after_update=look))
    return seen


@pytest.mark.parametrize("name", RUNS)
def test_it_agrees_with_training_both(name: str) -> None:
    run = RUNS[name]
    one, other = first_epochs(run, SHORT), first_epochs(run, LONG)
    same = all(torch.equal(a[k], b[k]) for a, b in zip(one, other, strict=True) for k in a)
    said = differs(with_epochs(run, SHORT), with_epochs(run, LONG))
    assert (said is None) == same, said


def test_a_change_just_before_the_end_counts() -> None:
    """It would be within the last of the updates where an epoch has thousands."""
    run = scheduled("step", at=[0.9999], factors=[1, 0])
    assert "dropout/schedule=step" in (differs(with_epochs(run, SHORT), with_epochs(run, LONG)) or "")


def test_updates_are_no_epochs() -> None:
    run = make_spec(updates=12)
    assert "train.updates sets the length" in (differs(with_epochs(run, SHORT), with_epochs(run, LONG)) or "")


@pytest.mark.parametrize("name", ["ema", "lookahead", "snapshot_ensemble", "spectral_norm", "swa"])
def test_a_regularizer_says_truly_whether_it_acts_by_the_share_that_is_done(name: str) -> None:
    spec = of(name)
    part: Regularizer = locate(spec.target)(**spec.options)
    found = []
    for whole in (20, 37):
        torch.manual_seed(1)
        weight = torch.randn(1, 3, 4)
        tensors = Tensors({"weight": weight}, {"weight": (2,)})
        kept, strength = part.state(tensors), torch.tensor([0.5 if name == "swa" else 2.0])
        for update in range(1, 16):
            weight.add_(torch.randn(1, 3, 4))
            part.weights(tensors, strength, kept, update / whole)
        stand_ins = part.evaluated(tensors, strength, kept)
        found.append(torch.cat([weight.flatten(), *(t.flatten() for t in stand_ins.values())]))
    assert part.by_share == (not torch.equal(*found))

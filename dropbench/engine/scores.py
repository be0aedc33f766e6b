"""The numbers of a stack at an epoch: on training and validation examples, and at the chosen epoch on the test split."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from torch import Tensor

from dropbench.engine.answers import Answers
from dropbench.engine.evaluate import evaluate
from dropbench.engine.probe import probe
from dropbench.engine.rate_schedules import RateSchedules
from dropbench.engine.replicas import Replicas
from dropbench.engine.result import Arrays, Keep, Weights
from dropbench.engine.said import Said
from dropbench.engine.uncertainty import uncertainty
from dropbench.engine.weights import weights


@dataclass(frozen=True)
class Tested:
    """Of one replica at its chosen epoch.

    scores: test metrics, and what `eval.mode` adds on validation too.
    probed: what probes measure on all parts, numbers or rows.
    weights, predictions: what is to be kept beside them.
    classes: of a classifier, what the test split and the answers to it are made of: see `engine.answers`.
    lost: why it has no result although its training went on to the end; see `engine.divergence`.
    """

    scores: dict[str, float]
    probed: dict[str, Any]
    weights: Weights | None
    predictions: Arrays | None
    classes: dict[str, float]
    lost: str | None = None


def validated(replicas: Replicas) -> dict[str, Tensor]:
    """Training and validation metrics and their difference, all in evaluation mode, [K] each."""
    train, val = evaluate(replicas, "train"), evaluate(replicas, "val")
    scores = {f"train_{m}": v for m, v in train.items()} | {f"val_{m}": v for m, v in val.items()}
    return scores | {f"gap_{m}": train[m] - val[m] for m in train}


def tested(replicas: Replicas, schedules: RateSchedules, epochs: Sequence[int], keep: Keep) -> list[Tested]:
    """What the test split says of each replica, which has the weights of its chosen epoch: one of `epochs`."""
    scale_rates(replicas, schedules, epochs)
    said = None if keep.predictions is None else Said(replicas, keep.predictions)
    answers = Answers() if replicas.outline.task == "classify" else None

    def listen(output: Tensor, target: Tensor) -> None:
        for hears in (said, answers):
            if hears is not None:
                hears(output, target)

    scores = {f"test_{name}": value for name, value in evaluate(replicas, "test", listen).items()}
    held = weights(replicas, epochs) if keep.weights == "best" else None
    for part in ("val", "test"):
        scores |= {f"{part}_{name}": value for name, value in uncertainty(replicas, part).items()}
    listed = {name: value.tolist() for name, value in scores.items()}
    probed = {name: value.tolist() for name, value in probe(replicas).items()} if replicas.probes else {}
    predictions = None if said is None else said.arrays()
    classes = None if answers is None else answers.shares()
    return [
        Tested(
            {name: value[k] for name, value in listed.items()},
            {name: value[k] for name, value in probed.items()},
            held[k] if held else None,
            predictions[k] if predictions else None,
            classes[k] if classes else {},
        )
        for k in range(len(replicas))
    ]


def measured(replicas: Replicas, schedules: RateSchedules, epochs: Sequence[int]) -> list[dict[str, Any]]:
    """All numbers of each replica, which has the weights of its chosen epoch, one of `epochs`, as when it was trained."""
    scale_rates(replicas, schedules, epochs)
    listed = {name: value.tolist() for name, value in validated(replicas).items()}
    found = tested(replicas, schedules, epochs, Keep(None, None))
    return [
        {**{name: value[k] for name, value in listed.items()}, **one.scores, **one.probed}
        for k, one in enumerate(found)
    ]


def scale_rates(replicas: Replicas, schedules: RateSchedules, epochs: Sequence[int]) -> None:
    """Gives each replica the rates of the last step of an epoch: some variants evaluate with them."""
    steps = replicas.batches.steps
    end = replicas.train.length(steps)
    last_step = [min(epoch, end) - 0.5 / steps for epoch in epochs]
    if (rate_factors := schedules.factors(replicas.specs, [last_step])) is not None:
        replicas.noise.scale_rates(rate_factors[0])

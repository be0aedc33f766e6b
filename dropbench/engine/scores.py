"""Computes a stack's metrics: on training and validation examples at an epoch, and on the test split at the chosen one."""

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
    """The results of one replica at its chosen epoch.

    scores: test metrics, and on validation and test the metrics that `eval.mode` adds.
    probed: the numbers or rows of probes on all parts.
    weights, predictions: what is to be kept besides them.
    classes: for a classifier, the shares of the most frequent class and answer on the test split: see `engine.answers`.
    lost: why the run counts as diverged although it trained to its end, else None: see `engine.divergence`.
    """

    scores: dict[str, float]
    probed: dict[str, Any]
    weights: Weights | None
    predictions: Arrays | None
    classes: dict[str, float]
    lost: str | None = None


def validated(replicas: Replicas) -> dict[str, Tensor]:
    """Returns training and validation metrics and their difference, all in evaluation mode, [K] each."""
    train, val = evaluate(replicas, "train"), evaluate(replicas, "val")
    scores = {f"train_{m}": v for m, v in train.items()} | {f"val_{m}": v for m, v in val.items()}
    return scores | {f"gap_{m}": train[m] - val[m] for m in train}


def tested(replicas: Replicas, schedules: RateSchedules, epochs: Sequence[int], keep: Keep) -> list[Tested]:
    """Returns the test results of each replica. The model must have the weights of the chosen epochs, `epochs`."""
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
    """Returns all metrics of each replica, as training would have computed them, for a model that has the chosen weights.

    epochs: the chosen epoch of each replica.
    """
    scale_rates(replicas, schedules, epochs)
    listed = {name: value.tolist() for name, value in validated(replicas).items()}
    found = tested(replicas, schedules, epochs, Keep(None, None))
    return [
        {**{name: value[k] for name, value in listed.items()}, **one.scores, **one.probed}
        for k, one in enumerate(found)
    ]


def scale_rates(replicas: Replicas, schedules: RateSchedules, epochs: Sequence[int]) -> None:
    """Sets each replica's rates to those of the last step of its epoch, because some variants use them in evaluation."""
    steps = replicas.batches.steps
    end = replicas.train.length(steps)
    last_step = [min(epoch, end) - 0.5 / steps for epoch in epochs]
    if (rate_factors := schedules.factors(replicas.specs, [last_step])) is not None:
        replicas.noise.scale_rates(rate_factors[0])

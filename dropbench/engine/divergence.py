"""Decides which runs have diverged although they trained to their end: the loss exploded, or a metric is not finite.

A run is called lost only beyond doubt, because it then counts as the worst of its arm. A network that has merely collapsed,
and predicts one class or the mean for every input, is not much worse than a constant predictor: it has a result, a poor one.

The loss is compared with that of a constant predictor, which gives every class (for running text, every word) the same
probability, or predicts the mean for every input. Its loss is the log of the number of classes; for a predicted number the
variance of the training targets; for a reconstruction 1, the variance of a normalised input. The frequencies of the classes
are ignored on purpose: with classes of very different size, a predictor of the frequencies has almost no loss, and an
untrained network has many times that loss.

In evaluation mode, on its training examples, no network that has learnt anything exceeds that loss many times. On other
examples it may: a network that has memorised its training labels is wrong with great confidence, and a single value far
outside the training range can cost any amount. So the limit for validation and test is one that only an explosion reaches.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from dropbench.engine.evaluate import evaluating, outputs
from dropbench.engine.objective import squared
from dropbench.engine.replicas import Replicas
from dropbench.nn.cross_entropy import cross_entropy

FACTORS = {"train": 100.0, "val": 10_000.0, "test": 10_000.0}
"""For each split, how many times the constant predictor's loss is allowed, in evaluation mode at the chosen epoch."""


def lost(
    replicas: Replicas, rows: Sequence[Mapping[str, float]], tested: Sequence[Mapping[str, float]]
) -> list[str | None]:
    """Returns the reason why each replica is lost, or None if it is not.

    Parameters
    ----------
    replicas : Replicas
        Replicas whose training has ended, with the weights with which they are tested.
    rows : sequence of mapping
        For each replica, the row of its history for the chosen epoch.
    tested : sequence of mapping
        For each replica, the metrics computed with these weights, by name.
    """
    scores = [{**row, **found} for row, found in zip(rows, tested, strict=True)]
    if any("train_loss" not in row for row in rows):  # loss is not among the metrics, or that epoch was not evaluated
        trained = _trained_loss(replicas).tolist()
        scores = [{"train_loss": one, **score} for score, one in zip(scores, trained, strict=True)]
    constants = _constants(replicas)
    return [_no_number(t) or _exploded(s, constant) for t, s, constant in zip(tested, scores, constants, strict=True)]


def _constants(replicas: Replicas) -> list[float]:
    """Returns the loss of each replica's constant predictor."""
    task = replicas.outline.task
    if task == "regress":
        targets = replicas.batches.targets()
        assert targets is not None
        return targets.spread[:, 0].double().square().tolist()
    return len(replicas) * [1.0 if task == "reconstruct" else math.log(max(2, replicas.outline.n_classes))]


def _no_number(found: Mapping[str, float]) -> str | None:
    return next((f"its {name} is {value}" for name, value in found.items() if not math.isfinite(value)), None)


def _exploded(score: Mapping[str, float], constant: float) -> str | None:
    for part, factor in FACTORS.items():
        loss = score.get(f"{part}_loss", 0.0)
        if loss > factor * constant:
            return (
                f"the loss exploded: {part}_loss is {loss:.3g}, more than {factor:,.0f} times the loss of a predictor "
                f"that always gives the same answer ({constant:.3g})"
            )
    return None


@torch.no_grad()
def _trained_loss(replicas: Replicas) -> Tensor:
    """Returns the mean loss over the training examples, in evaluation mode, [K]."""
    total, examples = torch.zeros(len(replicas), dtype=torch.float64), 0
    with evaluating(replicas), replicas.autocast():
        for output, target in outputs(replicas, "train"):
            each = squared(output, target) if target.is_floating_point() else cross_entropy(output, target)
            total += each.cpu().double().sum(1)
            examples += each.shape[1]
    return total / examples

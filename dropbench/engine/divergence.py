"""Which of the runs that ended by themselves are lost all the same: their loss exploded, or a score is no number.

What is called lost must be beyond doubt, since it counts as the worst of its arm. A network that has merely collapsed, and
gives one class or the mean whatever it sees, is not much worse than a constant predictor: it has a result, a poor one.

The constant predictor gives every class (of running text, every word) the same probability, or every input its mean. Its
loss is the log of the number of classes, the variance of a number over the training examples, or 1, that of a
normalised input. The frequencies of the classes are left
out of it on purpose: where one class is rare, a predictor of the frequencies has next to no loss, and many times that is what
an untrained network has.

On the examples that it was trained on, no network that learnt anything has many times that loss, in evaluation mode. On
others it may: one that knows its training labels by heart is wrong with great confidence, and a single value far outside of
what was seen can cost any amount. So there the limit is another, which only an explosion reaches.
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
"""By how much the loss may exceed that of the constant predictor, in evaluation mode at the chosen epoch."""


def lost(
    replicas: Replicas, rows: Sequence[Mapping[str, float]], tested: Sequence[Mapping[str, float]]
) -> list[str | None]:
    """Why each of these replicas is lost, or None.

    Parameters
    ----------
    replicas : Replicas
        Those that ended, with the weights that they are tested with.
    rows : sequence of mapping
        Of the history of each, the chosen epoch.
    tested : sequence of mapping
        What metrics found with these weights, by name.
    """
    scores = [{**row, **found} for row, found in zip(rows, tested, strict=True)]
    if any("train_loss" not in row for row in rows):  # it was not asked for, or no scores were due in that epoch
        trained = _trained_loss(replicas).tolist()
        scores = [{"train_loss": one, **score} for score, one in zip(scores, trained, strict=True)]
    constants = _constants(replicas)
    return [_no_number(t) or _exploded(s, constant) for t, s, constant in zip(tested, scores, constants, strict=True)]


def _constants(replicas: Replicas) -> list[float]:
    """The loss of each replica's constant predictor."""
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
                f"the loss exploded: its {part}_loss of {loss:.3g} is more than {factor:,.0f} times the {constant:.3g} of "
                "a predictor that gives the same answer to everything"
            )
    return None


@torch.no_grad()
def _trained_loss(replicas: Replicas) -> Tensor:
    """The mean loss over the training examples, in evaluation mode, [K]."""
    total, examples = torch.zeros(len(replicas), dtype=torch.float64), 0
    with evaluating(replicas), replicas.autocast():
        for output, target in outputs(replicas, "train"):
            each = squared(output, target) if target.is_floating_point() else cross_entropy(output, target)
            total += each.cpu().double().sum(1)
            examples += each.shape[1]
    return total / examples

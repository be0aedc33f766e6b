"""Decides which runs have diverged: a loss is not finite or exploded, or another score is infinite.

A run is called lost only beyond doubt, because it then counts as the worst of its arm. A network that has merely collapsed,
and predicts one class or the mean for every input, is not much worse than a constant predictor: it has a result, a poor one.

The loss is compared with that of a constant predictor, which gives every class (for running text, every word) the same
probability, or predicts the mean for every input. Its loss is the log of the number of classes; for a predicted number the
variance of the training targets; for a reconstruction 1, the variance of a normalised input. The frequencies of the classes
are ignored on purpose: with classes of very different size, a predictor of the frequencies has almost no loss, and an
untrained network has many times that loss.

A metric other than loss and accuracy may be NaN although the network is sound, because it is not defined for these examples:
R² is not where all targets are equal. Such a run has a result, without this metric.

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
from dropbench.values import UNDEFINED

FACTORS = {"train": 100.0, "val": 10_000.0, "test": 10_000.0}
"""For each split, how many times the constant predictor's loss is allowed, in evaluation mode at the chosen epoch."""
_ALWAYS = ("loss", "accuracy")
"""Metrics that are defined for any examples, so that NaN is the network's."""


def of_epoch(epoch: int, loss: Tensor, scores: Mapping[str, Tensor], monitored: str | None) -> list[str | None]:
    """Returns the reason why each replica has diverged in an epoch, or None if it has not.

    Parameters
    ----------
    epoch : int
        From 1.
    loss : Tensor
        The mean loss of the epoch's updates, [K].
    scores : mapping
        The scores after the epoch by name, [K] each; empty if it was not evaluated.
    monitored : str or None
        The score that chooses the epoch, which has to be a number.
    """
    found = {name: value.tolist() for name, value in {"loss": loss, **scores}.items()}
    return [_not_finite(epoch, {name: of[k] for name, of in found.items()}, monitored) for k in range(len(loss))]


def _not_finite(epoch: int, scores: Mapping[str, float], monitored: str | None) -> str | None:
    if (name := _without_number(scores)) is not None:
        what = "loss" if _metric(name) == "loss" else name
        return f"the {what} was not finite in epoch {epoch}"
    if monitored is not None and not math.isfinite(scores.get(monitored, 0.0)):
        return f"{monitored}, by which its epoch is chosen, {UNDEFINED}"
    return None


def _without_number(scores: Mapping[str, float]) -> str | None:
    """Returns the name of a score that shows divergence: loss or accuracy that is not finite, or any score that is infinite."""
    bad = (
        name for name, value in scores.items() if math.isinf(value) or (math.isnan(value) and _metric(name) in _ALWAYS)
    )
    return next(bad, None)


def _metric(name: str) -> str:
    """Returns the last word of a score: `loss` of `val_loss`, of `val_mc_loss` and of the training's own `loss`."""
    return name.rpartition("_")[2]


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
    name = _without_number(found)
    return None if name is None else f"its {name} is {found[name]}"


def _exploded(score: Mapping[str, float], constant: float) -> str | None:
    for part, factor in FACTORS.items():
        loss = score.get(f"{part}_loss", 0.0)
        if not loss <= factor * constant:  # also if it is not a number
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

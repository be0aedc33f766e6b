"""The loss that a replica minimises, by the task of its model."""

from __future__ import annotations

from dataclasses import replace

from torch import Tensor

from dropbench.data.batch import Batch
from dropbench.engine import regression
from dropbench.nn.cross_entropy import cross_entropy
from dropbench.spec import TrainSpec


def losses(task: str, output: Tensor, batch: Batch, train: TrainSpec) -> Tensor:
    """Returns each replica's mean loss over its batch, [K].

    classify: cross-entropy of logits [K, B, C]. predict_next: cross-entropy of logits [K, B, T, C], over all words.
    reconstruct: the mean squared error of the output [K, B, ...] against the input before any noise. regress: see
    `regression`. If the batch has weights w, the mean is sum(w l) / sum(w) over the examples' losses l, as in torch's
    `CrossEntropyLoss(weight=...)`.
    """
    if task == "reconstruct":
        clean = batch.x if batch.clean is None else batch.clean
        return (output.float() - clean).square().flatten(1).mean(1)
    each, weight = _each(task, output, batch, train), batch.weight
    if (mixed := batch.mixed) is not None:
        others = _each(task, output, replace(batch, y=mixed.y), train)
        own, other = mixed.share, 1 - mixed.share
        if weight is None or mixed.weight is None:
            return (own * each + other * others).mean(1)
        each = own * weight * each + other * mixed.weight * others
        weight = own * weight + other * mixed.weight
    elif weight is None:
        return each.mean(1)
    else:
        each = each * weight
    # A batch whose weights are all zero has a loss of zero.
    return each.sum(1) / weight.sum(1).clamp(min=1e-12)


def _each(task: str, output: Tensor, batch: Batch, train: TrainSpec) -> Tensor:
    """Returns the loss of each example, [K, n]."""
    if task == "regress":
        return regression.losses(output.float(), batch, train)
    return cross_entropy(output.float().flatten(1, -2), batch.y.flatten(1), train.label_smoothing)


def squared(output: Tensor, target: Tensor) -> Tensor:
    """Returns the squared error of each example, [K, n], given the result of `compared` for numbers or a reconstruction."""
    if output.ndim > target.ndim:
        return (output[..., 0] - target).square()
    return (output - target).square().flatten(2).mean(2)


def compared(task: str, output: Tensor, batch: Batch, train: TrainSpec) -> tuple[Tensor, Tensor]:
    """Returns output and target in the form that metrics take.

    For classes they are [K, n, C] and [K, n]; for a reconstruction both are [K, n, ...]. For numbers they are [K, n, 1] and
    [K, n] in the target's own unit. If the network also predicts a variance, the output is [K, n, 2]: mean and standard
    deviation.
    """
    if task == "reconstruct":
        return output.float(), batch.x
    if task == "regress":
        return regression.told(output.float(), batch, train), batch.y
    logits, classes = output.float().flatten(1, -2), batch.y.flatten(1)
    if batch.counted is None:
        return logits, classes
    counted = batch.counted.flatten()
    return logits[:, counted], classes[:, counted]

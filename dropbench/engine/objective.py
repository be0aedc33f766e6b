"""What a replica is trained to make small, by the task of its model."""

from __future__ import annotations

from torch import Tensor

from dropbench.engine import regression
from dropbench.engine.batch import Batch
from dropbench.nn.cross_entropy import cross_entropy
from dropbench.spec import TrainSpec


def losses(task: str, output: Tensor, batch: Batch, train: TrainSpec) -> Tensor:
    """Each replica's mean loss over its batch, [K].

    classify: cross-entropy of logits [K, B, C]; predict_next: of logits [K, B, T, C], over all words; reconstruct: the mean
    squared error of [K, B, ...] against the batch's x, which is the input before any noise; regress: see `regression`. Where a
    batch has weights w, it is sum(w l) / sum(w) over its examples' losses l, as of torch's `CrossEntropyLoss(weight=...)`.
    """
    if task == "reconstruct":
        return (output.float() - batch.x).square().flatten(1).mean(1)
    if task == "regress":
        each = regression.losses(output.float(), batch, train)
    else:
        each = cross_entropy(output.float().flatten(1, -2), batch.y.flatten(1), train.label_smoothing)
    if batch.weight is None:
        return each.mean(1)
    # A batch whose rows all weigh nothing teaches nothing.
    return (each * batch.weight).sum(1) / batch.weight.sum(1).clamp(min=1e-12)


def squared(output: Tensor, target: Tensor) -> Tensor:
    """The squared error of each example, [K, n], of what `compared` gives of numbers or of a reconstruction."""
    if output.ndim > target.ndim:
        return (output[..., 0] - target).square()
    return (output - target).square().flatten(2).mean(2)


def compared(task: str, output: Tensor, batch: Batch, train: TrainSpec) -> tuple[Tensor, Tensor]:
    """Output and target as metrics take them.

    [K, n, C] and [K, n] of classes; [K, n, ...] both of a reconstruction; of numbers [K, n, 1] and [K, n] in their own unit,
    and [K, n, 2] where the network says how sure it is: beside each number its standard deviation.
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

"""What a replica is trained to make small, by the task of its model."""

from __future__ import annotations

from typing import Literal

from torch import Tensor

from dropbench.engine.batch import Batch
from dropbench.nn.cross_entropy import cross_entropy

Task = Literal["classify", "reconstruct", "predict_next"]


def losses(task: str, output: Tensor, batch: Batch, label_smoothing: float) -> Tensor:
    """Each replica's mean loss over its batch, [K].

    classify: cross-entropy of logits [K, B, C]; predict_next: of logits [K, B, T, C], over all words; reconstruct: the mean
    squared error of [K, B, ...] against the batch's x, which is the input before any noise. Where a batch has weights w, it is
    sum(w l) / sum(w) over the losses l of its examples, as of torch's `CrossEntropyLoss(weight=...)`.
    """
    if task == "reconstruct":
        return (output.float() - batch.x).square().flatten(1).mean(1)
    each = cross_entropy(output.float().flatten(1, -2), batch.y.flatten(1), label_smoothing)
    if batch.weight is None:
        return each.mean(1)
    return (batch.weight * each).sum(1) / batch.weight.sum(1)


def compared(task: str, output: Tensor, batch: Batch) -> tuple[Tensor, Tensor]:
    """Output and target as metrics take them: [K, n, C] and [K, n], or [K, n, ...] both for a reconstruction."""
    if task == "reconstruct":
        return output.float(), batch.x
    logits, classes = output.float().flatten(1, -2), batch.y.flatten(1)
    if batch.counted is None:
        return logits, classes
    counted = batch.counted.flatten()
    return logits[:, counted], classes[:, counted]

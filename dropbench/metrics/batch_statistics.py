"""Batch norm: evaluation with batch statistics, and how far the running statistics are from those in evaluation."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Annotated

import torch
from annotated_types import Ge
from torch import Tensor

from dropbench.metrics.accuracy import accuracy
from dropbench.metrics.loss import loss
from dropbench.metrics.probe import Network

_EPS = 1e-5
"""The constant that batch norm adds to a variance before taking its square root."""


@torch.no_grad()
def batch_statistics(network: Network, part: str, *, batch: Annotated[int, Ge(2)] = 64) -> dict[str, Tensor]:
    """Computes accuracy and loss with batch norm in training mode and the noise off, and the shift of its running statistics.

    Accuracy and loss are those of someone who forgets to switch batch norm to evaluation: the prediction for an example then
    depends on the other examples of its batch. The shift arises because the running statistics were gathered in training,
    with dropout's noise if dropout acts before the batch norm, and the evaluated network has no noise. Examples come in the
    order of the split, in batches of nearly equal size. The network is not changed.

    Parameters
    ----------
    batch : int
        The largest number of examples in a batch.

    Returns
    -------
    dict
        [K] each; empty for a model without batch norm and for a split with a single example. `batch_statistics_accuracy`,
        0..1; `batch_statistics_loss`, nats. On train also means over the channels of all layers: `mean_shift`, how far the
        running mean is from the mean without noise, in standard deviations without noise; `variance_shift`, |log| of the
        running variance over the variance without noise.

    References
    ----------
    Ioffe and Szegedy 2015 (arXiv:1502.03167); Li et al. 2019 (arXiv:1801.05134), section 3, for the shift of the variance.
    """
    if not network.batch_norm:
        return {}
    logits, targets = [], []
    for x, y in _batches(network, part, batch):
        if x.shape[1] < 2:
            return {}
        logits.append(network.by_batch(x))
        targets.append(y)
    whole, classes = torch.cat(logits, 1), torch.cat(targets, 1)
    found = {"batch_statistics_accuracy": accuracy(whole, classes), "batch_statistics_loss": loss(whole, classes)}
    return found | (_shifts(network) if part == "train" else {})


def _batches(network: Network, part: str, batch: int) -> Iterator[tuple[Tensor, Tensor]]:
    """Yields all examples of a split in new pieces of nearly equal size."""
    x, y = (torch.cat(each, 1) for each in zip(*network.examples(part), strict=True))
    pieces = math.ceil(x.shape[1] / batch)
    return zip(x.tensor_split(pieces, 1), y.tensor_split(pieces, 1), strict=True)


def _shifts(network: Network) -> dict[str, Tensor]:
    means, variances = [], []
    for held, without in network.statistics():
        (running_mean, running_var), (mean, var) = ((t.double().cpu() for t in pair) for pair in (held, without))
        means.append((running_mean - mean).abs() / (var + _EPS).sqrt())
        variances.append(((running_var + _EPS) / (var + _EPS)).log().abs())
    # One replica at a time, so that no sum depends on the stack.
    return {
        name: torch.stack([row.mean() for row in torch.cat(shifts, 1).unbind(0)])
        for name, shifts in (("mean_shift", means), ("variance_shift", variances))
        if shifts
    }

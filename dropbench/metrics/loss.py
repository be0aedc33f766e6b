"""The loss: cross-entropy, or the squared error of a reconstruction."""

from __future__ import annotations

import torch
from torch import Tensor

from dropbench.nn.cross_entropy import cross_entropy


def loss(logits: Tensor, targets: Tensor) -> Tensor:
    """Returns the mean cross-entropy in nats, or the mean squared error of a reconstruction or a regression: [K].

    It has no label smoothing, so that it means the same for every setting.

    Parameters
    ----------
    logits : Tensor
        [K, n, C], a reconstruction [K, n, ...], or predicted numbers [K, n, 1 or 2], of which only the first is used.
    targets : Tensor
        [K, n] int64 classes; or float32 in the reconstruction's shape, or [K, n].
    """
    if targets.is_floating_point():
        numbers = logits[..., 0] if logits.ndim > targets.ndim else logits
        each = (numbers - targets).square().flatten(1)
    else:
        each = cross_entropy(logits, targets)
    # One replica at a time: torch splits a long vector among threads, but gives each thread whole rows of a matrix. So a sum
    # over a stack would round differently from a sum over a single replica.
    return torch.stack([row.mean() for row in each.unbind(0)])

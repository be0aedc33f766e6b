"""The loss: cross-entropy, or the squared error of a reconstruction."""

from __future__ import annotations

import torch
from torch import Tensor

from dropbench.nn.cross_entropy import cross_entropy


def loss(logits: Tensor, targets: Tensor) -> Tensor:
    """Mean cross-entropy in nats, without label smoothing, so that it means the same under every setting: [K].

    Of a reconstruction, whose targets are numbers and no classes, the mean squared error.
    """
    numbers = targets.is_floating_point()
    each = (logits - targets).square().flatten(1) if numbers else cross_entropy(logits, targets)
    # Row by row: several threads share out a long vector, but the rows of a matrix whole, and sums then differ in rounding;
    # a replica must not know its stack.
    return torch.stack([row.mean() for row in each.unbind(0)])

"""Accuracy."""

from __future__ import annotations

import torch
from torch import Tensor


def accuracy(logits: Tensor, targets: Tensor) -> Tensor:
    """The share of examples whose largest logit is the target's, in 0..1: [K]."""
    right = (logits.argmax(-1) == targets).sum(1)
    # A count is exact and float64 holds its share to the last digit; on the CPU, for not every accelerator has float64.
    return right.cpu().to(torch.float64) / targets.shape[1]

"""Accuracy."""

from __future__ import annotations

import torch
from torch import Tensor


def accuracy(logits: Tensor, targets: Tensor) -> Tensor:
    """The share of examples whose largest logit is the target's, in 0..1: [K]."""
    # In float64 a count over up to 2⁵³ examples is exact, so accuracies that print the same are the same.
    return (logits.argmax(-1) == targets).to(torch.float64).mean(1)

"""Accuracy."""

from __future__ import annotations

import torch
from torch import Tensor


def accuracy(logits: Tensor, targets: Tensor) -> Tensor:
    """Returns the share of examples whose largest logit belongs to the target, in 0..1: [K].

    Parameters
    ----------
    logits : Tensor
        [K, n, C].
    targets : Tensor
        [K, n] int64.
    """
    right = (logits.argmax(-1) == targets).sum(1)
    # A count is exact, and its share in float64 is correct to the last digit. On the CPU, since not every accelerator has
    # float64.
    return right.cpu().to(torch.float64) / targets.shape[1]

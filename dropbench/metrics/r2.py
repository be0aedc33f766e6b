"""Coefficient of determination."""

from __future__ import annotations

import torch
from torch import Tensor


def r2(logits: Tensor, targets: Tensor) -> Tensor:
    """Returns 1 - (sum of squared errors) / (sum of squares about the mean of these targets), at most 1: [K].

    It is NaN if all targets are equal.

    Parameters
    ----------
    logits : Tensor
        [K, n, 1 or 2]; only the first number of each example is used.
    targets : Tensor
        [K, n].
    """
    predicted, true = logits[..., 0].cpu().to(torch.float64), targets.cpu().to(torch.float64)
    return torch.stack([_of_one(p, y) for p, y in zip(predicted, true, strict=True)])


def _of_one(predicted: Tensor, true: Tensor) -> Tensor:
    total = (true - true.mean()).square().sum()
    return 1 - (true - predicted).square().sum() / torch.where(total > 0, total, torch.nan)

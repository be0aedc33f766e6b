"""Brier score."""

from __future__ import annotations

import torch
from torch import Tensor


def brier(logits: Tensor, targets: Tensor) -> Tensor:
    """Returns the squared distance of predicted probabilities from the truth (1 for the target, else 0), in 0..2: [K].

    It is summed over classes and averaged over examples. For two classes, many authors call half of this the Brier score.
    The score is proper: its expectation is smallest for the true probabilities.

    Parameters
    ----------
    logits : Tensor
        [K, n, C].
    targets : Tensor
        [K, n] int64.

    References
    ----------
    Brier 1950, "Verification of forecasts expressed in terms of probability" (Monthly Weather Review 78).
    """
    return torch.stack([_one(*pair) for pair in zip(logits.unbind(0), targets.unbind(0), strict=True)])


def _one(logits: Tensor, targets: Tensor) -> Tensor:
    """Returns the score of one replica, computed on the CPU because not every accelerator has float64."""
    p = logits.cpu().double().softmax(-1)
    of_target = p.gather(-1, targets.cpu()[:, None])[:, 0]
    # Σ (p - t)² over the classes, without a one-hot matrix t.
    return (p.square().sum(-1) - 2 * of_target + 1).mean()

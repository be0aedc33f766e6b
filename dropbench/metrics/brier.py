"""Brier score."""

from __future__ import annotations

import torch
from torch import Tensor


def brier(logits: Tensor, targets: Tensor) -> Tensor:
    """The squared distance between predicted probabilities and the truth (1 for the target, 0 for the rest), in 0..2: [K].

    Summed over classes and averaged over examples, as Brier 1950 has it (Monthly Weather Review 78); for two classes that is
    twice what others call by the name. It is proper: the expectation is least for the true probabilities.
    """
    return torch.stack([_one(*pair) for pair in zip(logits.unbind(0), targets.unbind(0), strict=True)])


def _one(logits: Tensor, targets: Tensor) -> Tensor:
    """On the CPU, for float64, which not every accelerator has."""
    p = logits.cpu().double().softmax(-1)
    of_target = p.gather(-1, targets.cpu()[:, None])[:, 0]
    # Σ (p - t)² over the classes, without a matrix of t.
    return (p.square().sum(-1) - 2 * of_target + 1).mean()

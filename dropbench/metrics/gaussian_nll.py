"""Negative log-likelihood in regression."""

from __future__ import annotations

import math

import torch
from torch import Tensor


def gaussian_nll(logits: Tensor, targets: Tensor) -> Tensor:
    """Returns the mean of -log p(y) in nats, with a normal density p over the target in its own unit: [K].

    Papers report its negative as test log-likelihood (Hernandez-Lobato & Adams 2015; Gal & Ghahramani 2016).

    Parameters
    ----------
    logits : Tensor
        [K, n, 2], mean and standard deviation of each example.
    targets : Tensor
        [K, n].
    """
    mean, deviation = logits.cpu().to(torch.float64).unbind(-1)
    z = (targets.cpu().to(torch.float64) - mean) / deviation
    each = deviation.log() + z.square() / 2 + math.log(2 * math.pi) / 2
    return torch.stack([row.mean() for row in each.unbind(0)])

"""Losses of networks that predict a number. They are computed on the standardised target; predictions are in its own unit."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from dropbench.data.batch import Batch
from dropbench.nn.activation import one_by_one
from dropbench.spec import TrainSpec

_LEAST = 1e-6
"""The smallest variance that a network can predict, for the standardised target."""
_log, _softplus = one_by_one(torch.log), one_by_one(F.softplus)


def losses(output: Tensor, batch: Batch, train: TrainSpec) -> Tensor:
    """Returns each example's loss, [K, B], for output [K, B, 1 or 2].

    mse, the default: the squared error. huber: half the squared error up to 1 standard deviation of the target, linear beyond
    (Huber 1964). gaussian: the negative log-likelihood of a normal distribution, without its constant. Its variance is
    `train.noise` squared, or else predicted by the network for each example (Nix & Weigend 1994; with softplus as in
    Lakshminarayanan et al. 2017, arXiv:1612.01474).
    """
    assert batch.centre is not None and batch.spread is not None
    z = (batch.y - batch.centre) / batch.spread
    error = output[..., 0] - z
    if train.loss == "huber":
        return F.huber_loss(output[..., 0], z, reduction="none")
    if train.loss != "gaussian":
        return error.square()
    if train.noise is not None:
        return (error * (batch.spread / train.noise)).square() / 2
    variance = _variance(output)
    return (_log(variance) + error.square() / variance) / 2


def told(output: Tensor, batch: Batch, train: TrainSpec) -> Tensor:
    """Returns the prediction in the target's unit: [K, B, 1], or [K, B, 2] with the standard deviation of a Gaussian."""
    assert batch.centre is not None and batch.spread is not None
    centre, spread = batch.centre[..., None], batch.spread[..., None]
    mean = output[..., :1] * spread + centre
    if train.loss != "gaussian":
        return mean
    if train.noise is not None:
        return torch.cat([mean, torch.full_like(mean, train.noise)], -1)
    return torch.cat([mean, _variance(output)[..., None].sqrt() * spread], -1)


def _variance(output: Tensor) -> Tensor:
    return _softplus(output[..., 1].contiguous()) + _LEAST

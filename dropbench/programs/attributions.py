"""Measures the effect of dropout on attributions, by integrated gradients and by plain gradients."""

from __future__ import annotations

import torch
from torch import Tensor

from dropbench.programs.network import Weights, fitted, logits, split

N_TRAIN, STEPS, RATE, POINTS = 200, 600, 0.5, 50


def differ(seed: int) -> float:
    """Returns the effect of dropout on attributions by integrated gradients minus its effect on those by plain gradients.

    The effect is the share of inputs over which attributions of the true class's logit are spread (`metric=attribution`) in a
    network with dropout, minus the share in one without.
    """
    (x, y), (x_test, y_test) = split(seed)
    x, y = x[:N_TRAIN], y[:N_TRAIN]
    half, none = (fitted(x, y, rate, seed, STEPS) for rate in (RATE, 0.0))

    def more(attributed: Tensor, without: Tensor) -> float:
        return share(attributed) - share(without)

    by_path = more(integrated(half, x_test, y_test), integrated(none, x_test, y_test))
    return by_path - more(gradient(half, x_test, y_test), gradient(none, x_test, y_test))


def integrated(network: Weights, x: Tensor, y: Tensor) -> Tensor:
    """Returns integrated gradients of the true class's logit from black [n, 64] (Sundararajan et al. 2017, arXiv:1703.01365).

    The straight line is divided into 50 parts, and gradients are taken at their midpoints. The sum over inputs is the change
    of the logit.
    """
    steps = (torch.arange(POINTS) + 0.5) / POINTS
    return x * torch.stack([gradient(network, s * x, y) for s in steps]).mean(0)


def gradient(network: Weights, x: Tensor, y: Tensor) -> Tensor:
    """Returns the gradient of the true class's logit with respect to each input [n, 64]."""
    x = x.detach().clone().requires_grad_()
    (slope,) = torch.autograd.grad(logits(network, x).gather(1, y[:, None]).sum(), x)
    return slope


def share(attributed: Tensor) -> float:
    """Returns exp(entropy) of |attributions| over the number of inputs, averaged over examples, as in `metric=attribution`."""
    size = attributed.double().abs()
    p = size / size.sum(1, keepdim=True).clamp(min=1e-300)
    spread: Tensor = torch.special.entr(p).sum(1).exp() / p.shape[1]
    return spread.mean().item()

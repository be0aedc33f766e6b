"""What dropout does to attributions, by integrated gradients and by the gradient alone."""

from __future__ import annotations

import torch
from torch import Tensor

from dropbench.programs.network import Weights, fitted, logits, split

N_TRAIN, STEPS, RATE, POINTS = 200, 600, 0.5, 50


def differ(seed: int) -> float:
    """By how much integrated gradients see dropout spread attributions more than gradients do, in shares of the inputs.

    Of each: the share of the inputs over which the true class's logit is spread (`metric=attribution`) with dropout less that
    without.
    """
    (x, y), (x_test, y_test) = split(seed)
    x, y = x[:N_TRAIN], y[:N_TRAIN]
    half, none = (fitted(x, y, rate, seed, STEPS) for rate in (RATE, 0.0))

    def more(attributed: Tensor, without: Tensor) -> float:
        return share(attributed) - share(without)

    by_path = more(integrated(half, x_test, y_test), integrated(none, x_test, y_test))
    return by_path - more(gradient(half, x_test, y_test), gradient(none, x_test, y_test))


def integrated(network: Weights, x: Tensor, y: Tensor) -> Tensor:
    """Integrated gradients of the true class's logit from black [n, 64] (Sundararajan et al. 2017, arXiv:1703.01365).

    Over 50 points of the straight line, the middles of its parts: their sum over inputs is the change of the logit.
    """
    steps = (torch.arange(POINTS) + 0.5) / POINTS
    return x * torch.stack([gradient(network, s * x, y) for s in steps]).mean(0)


def gradient(network: Weights, x: Tensor, y: Tensor) -> Tensor:
    """Of the true class's logit with respect to each input [n, 64]."""
    x = x.detach().clone().requires_grad_()
    (slope,) = torch.autograd.grad(logits(network, x).gather(1, y[:, None]).sum(), x)
    return slope


def share(attributed: Tensor) -> float:
    """The mean over examples of exp(entropy) of |attributions| over the number of inputs, as `metric=attribution` has it."""
    size = attributed.double().abs()
    p = size / size.sum(1, keepdim=True).clamp(min=1e-300)
    spread: Tensor = torch.special.entr(p).sum(1).exp() / p.shape[1]
    return spread.mean().item()

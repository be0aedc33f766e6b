"""A membership attack on a network trained with dropout, and on one trained by differentially private steps."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Generator, Tensor
from torch.func import grad, vmap
from torch.nn.functional import cross_entropy

from dropbench.programs.network import Weights, fitted, logits, split, start

N_TRAIN, STEPS, RATE = 200, 600, 0.5
LOT, PRIVATE_STEPS, CLIP, NOISE, PRIVATE_LR = 50, 100, 1.0, 4.0, 0.5
"""For the private steps. LOT: the expected number of examples per step. CLIP: the largest norm of an example's gradient.
NOISE: the standard deviation of the noise relative to CLIP."""


def exposed(seed: int) -> float:
    """Returns how much higher the attack's area under the ROC curve is against dropout than against private steps."""
    return attack(seed, _with_dropout(seed)) - attack(seed, privately(seed))


def against_private(seed: int) -> float:
    """Returns how far the attack is above chance against private steps: its area under the ROC curve minus .5."""
    return attack(seed, privately(seed)) - 0.5


def attack(seed: int, network: Weights) -> float:
    """Returns the area under the ROC curve for telling 200 training digits from 500 others by their loss (Yeom et al. 2018)."""
    (x, y), (others, labels) = split(seed)
    x, y = x[:N_TRAIN], y[:N_TRAIN]
    seen, new = (cross_entropy(logits(network, a), b, reduction="none").double() for a, b in ((x, y), (others, labels)))
    above = (seen[:, None] < new).double() + (seen[:, None] == new).double() / 2
    return above.mean().item()


def privately(seed: int) -> Weights:
    """Trains by SGD on gradients of single examples, each clipped to norm 1, with normal noise on their sum.

    This is DP-SGD of Abadi et al. 2016 (arXiv:1607.00133): each example joins a step's lot independently at random, and the sum
    is divided by the lot's expected size.
    """
    (x, y), _ = split(seed)
    x, y = x[:N_TRAIN], y[:N_TRAIN]
    weights = start(seed, x.shape[1])
    draw = Generator().manual_seed(seed + 10**6)
    for _ in range(PRIVATE_STEPS):
        lot = torch.rand(N_TRAIN, generator=draw) < LOT / N_TRAIN
        total = clipped(weights, x[lot], y[lot], CLIP)
        for w, g in zip(weights, total, strict=True):
            w -= PRIVATE_LR * (g + NOISE * CLIP * torch.randn(g.shape, generator=draw)) / LOT
    return weights


def clipped(weights: Sequence[Tensor], x: Tensor, y: Tensor, most: float) -> list[Tensor]:
    """Returns the sum of the examples' gradients, each clipped to norm `most` over all weights together."""

    def loss(ws: tuple[Tensor, ...], one: Tensor, label: Tensor) -> Tensor:
        return cross_entropy(logits(ws, one[None]), label[None])

    each = vmap(grad(loss), (None, 0, 0))(tuple(weights), x, y)
    length = sum(g.flatten(1).square().sum(1) for g in each).sqrt()
    cut = (most / length.clamp(min=1e-12)).clamp(max=1.0)
    return [torch.tensordot(cut, g, 1) for g in each]


def _with_dropout(seed: int) -> Weights:
    (x, y), _ = split(seed)
    return fitted(x[:N_TRAIN], y[:N_TRAIN], RATE, seed, STEPS)

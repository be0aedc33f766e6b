"""A membership attack on a network that trained with dropout, and on one that trained by differentially private steps."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Generator, Tensor
from torch.func import grad, vmap
from torch.nn.functional import cross_entropy

from dropbench.programs.network import Weights, fitted, logits, split, start

N_TRAIN, STEPS, RATE = 200, 600, 0.5
LOT, PRIVATE_STEPS, CLIP, NOISE, PRIVATE_LR = 50, 100, 1.0, 4.0, 0.5
"""Of the private steps: expected examples of one, the longest gradient of an example, and the noise's sd in such lengths."""


def exposed(seed: int) -> float:
    """How much higher the attack's area under the ROC curve is against dropout than against private steps."""
    return attack(seed, _with_dropout(seed)) - attack(seed, privately(seed))


def against_private(seed: int) -> float:
    """How far above chance the attack does against private steps: its area under the ROC curve less .5."""
    return attack(seed, privately(seed)) - 0.5


def attack(seed: int, network: Weights) -> float:
    """The area under the ROC curve of telling 200 training digits from 500 others by their loss (Yeom et al. 2018)."""
    (x, y), (others, labels) = split(seed)
    x, y = x[:N_TRAIN], y[:N_TRAIN]
    seen, new = (cross_entropy(logits(network, a), b, reduction="none").double() for a, b in ((x, y), (others, labels)))
    above = (seen[:, None] < new).double() + (seen[:, None] == new).double() / 2
    return above.mean().item()


def privately(seed: int) -> Weights:
    """Steps of SGD on gradients of examples, each cut to a length of 1, with normal noise on their sum.

    DP-SGD of Abadi et al. 2016 (arXiv:1607.00133): an example is in a lot by chance, and the sum is divided by the lot's
    expected size.
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
    """The sum of the examples' gradients, each of them, all weights together, cut to a length of at most `most`."""

    def loss(ws: tuple[Tensor, ...], one: Tensor, label: Tensor) -> Tensor:
        return cross_entropy(logits(ws, one[None]), label[None])

    each = vmap(grad(loss), (None, 0, 0))(tuple(weights), x, y)
    length = sum(g.flatten(1).square().sum(1) for g in each).sqrt()
    cut = (most / length.clamp(min=1e-12)).clamp(max=1.0)
    return [torch.tensordot(cut, g, 1) for g in each]


def _with_dropout(seed: int) -> Weights:
    (x, y), _ = split(seed)
    return fitted(x[:N_TRAIN], y[:N_TRAIN], RATE, seed, STEPS)

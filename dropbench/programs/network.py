"""A small network for the digits with two hidden layers and dropout, for programs that fit it many times from a seed."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Generator, Tensor
from torch.nn.functional import cross_entropy

from dropbench.data import digits

WIDTH, CLASSES, BATCH, LR = 128, 10, 50, 1e-3
Weights = Sequence[Tensor]
"""Weight and bias of each of three layers, [in, out] and [out]."""


def split(seed: int, n_test: int = 500) -> tuple[tuple[Tensor, Tensor], tuple[Tensor, Tensor]]:
    """Returns x [n, 64] and y [n] of digits for training, in an order that depends on the seed, and of `n_test` test digits."""
    table = digits.load(Path(), False)
    order = torch.randperm(len(table.y), generator=Generator().manual_seed(seed))
    x, y = table.x.flatten(1)[order], table.y[order]
    return (x[n_test:], y[n_test:]), (x[:n_test], y[:n_test])


def start(seed: int, features: int) -> list[Tensor]:
    """Returns initial weights as in torch's dense layers: uniform in ±1 / sqrt(inputs)."""
    draw = Generator().manual_seed(seed)
    sizes = [(features, WIDTH), (WIDTH, WIDTH), (WIDTH, CLASSES)]
    shapes = [(shape, ins) for ins, outs in sizes for shape in ((ins, outs), (outs,))]
    return [(torch.rand(shape, generator=draw) * 2 - 1) / ins**0.5 for shape, ins in shapes]


def logits(weights: Weights, x: Tensor, rate: float = 0.0, draw: Generator | None = None) -> Tensor:
    """Returns logits [n, classes]; with `draw`, under inverted dropout of both hidden layers with a mask for each example."""
    for layer in (0, 2):
        x = (x @ weights[layer] + weights[layer + 1]).relu()
        if draw is not None and rate:
            x = x * (torch.rand(x.shape, generator=draw) >= rate) / (1 - rate)
    return x @ weights[4] + weights[5]


def fitted(x: Tensor, y: Tensor, rate: float, seed: int, steps: int) -> Weights:
    """Fits the network by `steps` steps of Adam on batches of 50, drawn with replacement.

    Initial weights, batches and masks depend only on the seed, each on its own stream. So fits that differ in one example,
    or in the rate, have everything else in common.
    """
    weights = [w.requires_grad_() for w in start(seed, x.shape[1])]
    batches, masks = Generator().manual_seed(seed + 10**6), Generator().manual_seed(seed + 2 * 10**6)
    optimizer = torch.optim.Adam(weights, lr=LR, fused=True)
    for _ in range(steps):
        rows = torch.randint(len(y), (BATCH,), generator=batches)
        optimizer.zero_grad()
        cross_entropy(logits(weights, x[rows], rate, masks), y[rows]).backward()
        optimizer.step()
    return [w.detach() for w in weights]

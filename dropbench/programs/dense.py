"""Dense networks of any sizes, for programs that need other networks than the classifier of `network.py`."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence

import torch
from torch import Generator, Tensor

Weights = Sequence[Tensor]
"""Weight [in, out] and bias [out] of each layer in turn."""


def start(seed: int, *sizes: int) -> list[Tensor]:
    """Weights of layers of these sizes, inputs first, as torch's dense layers have them: uniform within 1 / sqrt(inputs)."""
    draw = Generator().manual_seed(seed)
    shapes = [(shape, ins) for ins, outs in itertools.pairwise(sizes) for shape in ((ins, outs), (outs,))]
    return [((torch.rand(shape, generator=draw) * 2 - 1) / ins**0.5).requires_grad_() for shape, ins in shapes]


def passed(weights: Weights, x: Tensor, rate: float = 0.0, draw: Generator | None = None) -> Tensor:
    """The outputs [n, out], behind ReLU at each hidden layer; with `draw`, dropout of each hidden layer at this rate."""
    layers = len(weights) // 2
    for i in range(layers):
        x = x @ weights[2 * i] + weights[2 * i + 1]
        if i < layers - 1:
            x = dropped(x.relu(), rate, draw)
    return x


def dropped(x: Tensor, rate: float, draw: Generator | None) -> Tensor:
    """Inverted dropout, a mask for each example; without `draw` the same as before."""
    if draw is None or not rate:
        return x
    return x * (torch.rand(x.shape, generator=draw) >= rate) / (1 - rate)


def trained(
    weights: Weights, loss: Callable[[Tensor], Tensor], n: int, steps: int, seed: int, lr: float = 1e-3
) -> None:
    """So many steps of Adam, in place, on batches of 50 of n examples: loss is given their row numbers [50].

    Batches are drawn with replacement from a stream that is the seed's alone, so that fits with other noise see the same.
    """
    batches = Generator().manual_seed(seed + 10**6)
    optimizer = torch.optim.Adam(weights, lr=lr, fused=True)
    for _ in range(steps):
        rows = torch.randint(n, (50,), generator=batches)
        optimizer.zero_grad()
        loss(rows).backward()
        optimizer.step()
    for w in weights:
        w.requires_grad_(False)

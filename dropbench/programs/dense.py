"""Dense networks of any size, for programs that need another network than the classifier of `network.py`."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence

import torch
from torch import Generator, Tensor

Weights = Sequence[Tensor]
"""Weight [in, out] and bias [out] of each layer, in order."""


def start(seed: int, *sizes: int) -> list[Tensor]:
    """Returns initial weights of layers of these sizes, inputs first, as in torch: uniform in ±1 / sqrt(inputs)."""
    draw = Generator().manual_seed(seed)
    shapes = [(shape, ins) for ins, outs in itertools.pairwise(sizes) for shape in ((ins, outs), (outs,))]
    return [((torch.rand(shape, generator=draw) * 2 - 1) / ins**0.5).requires_grad_() for shape, ins in shapes]


def passed(weights: Weights, x: Tensor, rate: float = 0.0, draw: Generator | None = None) -> Tensor:
    """Returns the outputs [n, out], with ReLU after each hidden layer and, with `draw`, dropout at this rate."""
    layers = len(weights) // 2
    for i in range(layers):
        x = x @ weights[2 * i] + weights[2 * i + 1]
        if i < layers - 1:
            x = dropped(x.relu(), rate, draw)
    return x


def dropped(x: Tensor, rate: float, draw: Generator | None) -> Tensor:
    """Applies inverted dropout with a mask for each example; without `draw` it returns x unchanged."""
    if draw is None or not rate:
        return x
    return x * (torch.rand(x.shape, generator=draw) >= rate) / (1 - rate)


def trained(
    weights: Weights, loss: Callable[[Tensor], Tensor], n: int, steps: int, seed: int, lr: float = 1e-3
) -> None:
    """Trains weights in place by `steps` steps of Adam on batches of 50 of n examples; `loss` gets their row numbers [50].

    Batches are drawn with replacement from a stream that depends only on the seed, so that fits with other noise have the
    same batches.
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

"""Compares how much noise reaches the next layer if single pixels of feature maps are dropped, and if whole maps are."""

from __future__ import annotations

import math

import torch
from torch import Generator, Tensor
from torch.nn.functional import avg_pool2d, conv2d, cross_entropy

from dropbench.programs.dense import start, trained
from dropbench.programs.network import CLASSES, split

N_TRAIN, MAPS, STEPS, RATE = 500, 16, 600, 0.3


def behind_convolution(seed: int) -> float:
    """Returns log(noise variance with dropped maps / with dropped pixels) at the second convolution's output, before ReLU.

    Above 0 dropped pixels inject less noise. Both have the same rate, in a trained network.
    """
    first, second, x = _network(seed)
    return math.log(ratio(first, second, x, pooled=False))


def behind_pooling(seed: int) -> float:
    """Returns the log ratio of `behind_convolution` with average pooling over 2 x 2 pixels between the two convolutions."""
    first, second, x = _network(seed)
    return math.log(ratio(first, second, x, pooled=True))


def ratio(first: Tensor, second: Tensor, x: Tensor, *, pooled: bool) -> float:
    """Returns the variance from dropping whole maps over that from dropping pixels, averaged over examples and outputs.

    Both are rate / (1 - rate) times a sum of squares: of the contributions of single pixels, or of whole maps.
    """
    maps = conv2d(x, first, padding=1).relu()

    def behind(part: Tensor) -> Tensor:
        out: Tensor = conv2d(avg_pool2d(part, 2) if pooled else part, second, padding=1)
        return out

    of_maps = of_pixels = torch.zeros(())
    for c in range(maps.shape[1]):
        alone = torch.zeros_like(maps)
        alone[:, c] = maps[:, c]
        of_maps = of_maps + behind(alone).square().sum()
        # The contribution of a pixel to an output is the pixel times a weight; here it is squared before the sum.
        squares = conv2d(avg_pool2d(alone.square(), 2) / 4 if pooled else alone.square(), second.square(), padding=1)
        of_pixels = of_pixels + squares.sum()
    return (of_maps / of_pixels).item()


def _network(seed: int) -> tuple[Tensor, Tensor, Tensor]:
    """Returns kernels of two convolutions trained on 500 digits, [16, 1, 3, 3] and [16, 16, 3, 3], and 100 test digits."""
    (x, y), (x_test, _) = split(seed)
    x, y = x[:N_TRAIN].view(-1, 1, 8, 8), y[:N_TRAIN]
    first, second = (_kernel(seed + i, ins) for i, ins in ((0, 1), (1, MAPS)))
    head, bias = start(seed, MAPS, CLASSES)

    def loss(rows: Tensor) -> Tensor:
        maps = conv2d(conv2d(x[rows], first, padding=1).relu(), second, padding=1).relu()
        return cross_entropy(maps.mean((2, 3)) @ head + bias, y[rows])

    trained([first, second, head, bias], loss, len(y), STEPS, seed, lr=3e-3)
    return first, second, x_test[:100].view(-1, 1, 8, 8)


def _kernel(seed: int, ins: int) -> Tensor:
    draw = Generator().manual_seed(seed + 6 * 10**6)
    bound: float = (9 * ins) ** -0.5
    return (bound * (torch.rand(MAPS, ins, 3, 3, generator=draw) * 2 - 1)).requires_grad_()

"""How much noise behind the next layer comes from dropping single pixels of maps, and how much from dropping whole maps."""

from __future__ import annotations

import math

import torch
from torch import Generator, Tensor
from torch.nn.functional import avg_pool2d, conv2d, cross_entropy

from dropbench.programs.dense import start, trained
from dropbench.programs.network import CLASSES, split

N_TRAIN, MAPS, STEPS, RATE = 500, 16, 600, 0.3


def behind_convolution(seed: int) -> float:
    """The log of the noise's variance at the inputs of the second convolution's ReLU, whole maps against single pixels.

    Above 0 single pixels inject less. Both at the same rate, in a trained network.
    """
    first, second, x = _network(seed)
    return math.log(ratio(first, second, x, pooled=False))


def behind_pooling(seed: int) -> float:
    """The same where means over 2 x 2 pixels are taken between the two."""
    first, second, x = _network(seed)
    return math.log(ratio(first, second, x, pooled=True))


def ratio(first: Tensor, second: Tensor, x: Tensor, *, pooled: bool) -> float:
    """The variance that dropping whole maps makes over that of dropping pixels, the mean over examples and outputs.

    Both are rate / (1 - rate) times a sum of squares: over pixels of what each carries, or over maps of what each carries.
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
        # What one pixel carries to an output is the pixel times one weight, squared here before they are added up.
        squares = conv2d(avg_pool2d(alone.square(), 2) / 4 if pooled else alone.square(), second.square(), padding=1)
        of_pixels = of_pixels + squares.sum()
    return (of_maps / of_pixels).item()


def _network(seed: int) -> tuple[Tensor, Tensor, Tensor]:
    """Kernels of the two convolutions after training on 500 digits, [16, 1, 3, 3] and [16, 16, 3, 3]; 100 test digits."""
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

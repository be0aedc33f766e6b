"""The ratio of variances against masks that are drawn, and where it is known."""

from __future__ import annotations

import pytest
import torch
from torch import Generator, Tensor
from torch.nn.functional import avg_pool2d, conv2d

from dropbench.programs.maps import ratio


def drawn(x: Tensor, second: Tensor, first: Tensor, *, pooled: bool) -> float:
    draw, rate, masks = Generator().manual_seed(0), 0.3, 4000
    maps = conv2d(x, first, padding=1).relu()

    def variance(shape: tuple[int, ...]) -> float:
        mask = (torch.rand(masks, *shape, generator=draw) >= rate) / (1 - rate)
        noisy = maps * mask
        out = conv2d(avg_pool2d(noisy, 2) if pooled else noisy, second, padding=1)
        return out.var(0).sum().item()

    return variance((maps.shape[1], 1, 1)) / variance(tuple(maps.shape[1:]))


@pytest.mark.parametrize("pooled", [False, True])
def test_it_is_that_of_drawn_masks(pooled: bool) -> None:
    draw = Generator().manual_seed(1)
    x = torch.rand(1, 1, 6, 6, generator=draw)
    first, second = torch.randn(3, 1, 3, 3, generator=draw), torch.rand(2, 3, 3, 3, generator=draw)
    assert ratio(first, second, x, pooled=pooled) == pytest.approx(drawn(x, second, first, pooled=pooled), rel=0.12)


def test_equal_pixels_add_up_in_a_map_and_one_pixel_alone_does_not() -> None:
    x = torch.ones(1, 1, 8, 8)
    same, one = torch.zeros(1, 1, 3, 3), torch.zeros(1, 1, 3, 3)
    same[..., 1, 1] = one[..., 1, 1] = 1.0
    assert ratio(same, one, x, pooled=False) == pytest.approx(1.0)
    assert ratio(same, one, x, pooled=True) == pytest.approx(4.0)  # four equal pixels, independent or not

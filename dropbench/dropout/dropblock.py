"""DropBlock."""

from __future__ import annotations

from collections.abc import Sequence
from functools import reduce
from operator import and_
from typing import Annotated

import torch
from annotated_types import Gt
from torch import Tensor
from typing_extensions import override

from dropbench.dropout.base import LEVELS, Variant, one_where_kept
from dropbench.sites import Site


class DropBlock(Variant):
    """Squares of `block_size` × `block_size` are dropped from feature maps, in each channel by itself or `shared` by all.

    Ghiasi et al. 2018 (arXiv:1810.12890, algorithm 1). They draw the blocks' seeds where a whole block fits in the map, with
    gamma = rate / size² · map² / (map - size + 1)² (equation 1). That takes overlapping blocks for disjoint ones and spares the
    borders, so less is dropped than the rate says: 0.39 of a map of 8 × 8 at rate 0.5 and size 3, its corners 0.1 of the time.

    Here seeds are drawn on a grid that reaches size - 1 beyond the map, and a block is cut off at the border. Every element
    then lies under exactly size² possible seeds and is kept if all of them are, so gamma = 1 - (1 - rate)^(1 / size²) drops
    each with probability `rate`, in every place of every map. The size is cut to that of the map, an axis at a time.

    They scale what is kept by the realised fraction of a batch, which makes an example's output depend on the others; here the
    scale is 1 / (1 - rate), as for other variants. They raise the rate over training: a schedule's affair. torchvision's has
    the paper's gamma, seeds and scale, and refuses an even size, also where the map cuts an odd one to it. timm's has the same
    gamma but plants seeds in every place, and so drops more than the rate: 0.62 of a map of 8 × 8 at 0.1 and size 7, where
    torchvision's drops 0.096 (tests/oracles/test_drop_block.py).
    """

    def __init__(self, *, block_size: Annotated[int, Gt(0)] = 3, shared: bool = False) -> None:
        self.block_size = block_size
        self.shared = shared

    @override
    def supports(self, site: Site) -> str | None:
        if reason := super().supports(site):
            return reason
        return None if site.axes == "CHW" else f"drops squares of feature maps, and {site.name} has no height and width"

    @override
    def noise_shape(self, site: Site, batch: int) -> tuple[int, ...]:
        channels, *sides = site.shape
        return (batch, 1 if self.shared else channels, *(n + min(self.block_size, n) - 1 for n in sides))

    @override
    def mask(self, noise: Tensor, rate: Tensor, dtype: torch.dtype) -> Tensor:
        grid = noise.shape[-2:]
        block = [min(self.block_size, (n + 1) // 2) for n in grid]  # of a map's side n, cut to it: see `noise_shape`
        kept, keep = _seed_levels(rate, block, grid)
        clear = one_where_kept(noise, kept, torch.bool)
        for axis, size, n in zip((-2, -1), block, grid, strict=True):
            # Clear at i, if none of i ... i + size - 1 is a seed.
            clear = reduce(and_, (clear.narrow(axis, i, n - size + 1) for i in range(size)))
        return clear.to(dtype).mul_((1 / keep).to(dtype))


def _seed_levels(rate: Tensor, block: Sequence[int], grid: Sequence[int]) -> tuple[Tensor, Tensor]:
    """How many of a draw's 65,536 values plant no seed, [K, 1, 1, *grid], and the keep probability that it comes to.

    One number for the whole grid would be too coarse: gamma is small, and rounded to 2⁻¹⁶ it is 3 % off at rate 0.01 and size
    7. But each block holds every cell of a `block`-periodic pattern once, wherever it lies. So the first m of the pattern's
    cells get one value more than the others, and keep = (n / 65536)^(cells - m) · ((n + 1) / 65536)^m is as fine as that of
    other variants, and the same everywhere.
    """
    height, width = block
    cells = height * width
    log_keep = torch.log1p(-rate.double())  # of [K]: single precision would cost the digits that are gained
    n = torch.floor(torch.exp(log_keep / cells) * LEVELS).clamp(min=1)
    base, step = torch.log(n / LEVELS) * cells, torch.log1p(1 / n)
    m = torch.round((log_keep - base) / step).clamp(0, cells)
    rows, columns = (torch.arange(size, device=rate.device) for size in grid)
    cell = (rows % height)[:, None] * width + columns % width
    return n + (cell < m), torch.exp(base + m * step)

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
    """Drops squares of `block_size` × `block_size` from feature maps, in each channel independently or `shared` by all.

    Ghiasi et al. 2018 (arXiv:1810.12890, algorithm 1). The paper draws the blocks' seeds where a whole block fits in the
    map, with gamma = rate / size² · map² / (map - size + 1)² (equation 1). This counts overlapping blocks as if they were
    disjoint and spares the borders, so less than the rate is dropped: 0.39 of a map of 8 × 8 at rate 0.5 and size 3, and its
    corners only 0.1 of the time.

    Here seeds are drawn on a grid that reaches size - 1 beyond the map, and blocks are cut off at the border. Each element
    is then covered by exactly size² possible seeds and is kept if none of them is drawn. So gamma = 1 - (1 - rate)^(1 /
    size²) drops every element with probability `rate`, wherever it is. Along each axis the block is no longer than the map.

    The paper scales by the fraction that was kept in the batch, so that an example's output depends on the others; here the
    scale is 1 / (1 - rate), as for other variants. The paper raises the rate over training; use a schedule for that.
    torchvision's version has the paper's gamma, seeds and scale, and refuses an even size, even where a small map cuts an
    odd size to an even one. timm's has the same gamma but draws seeds everywhere, and so drops more than the rate: 0.62 of a
    map of 8 × 8 at rate 0.1 and size 7, where torchvision's drops 0.096 (tests/oracles/test_drop_block.py).
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
        block = [min(self.block_size, (n + 1) // 2) for n in grid]  # no longer than the map's side: see `noise_shape`
        kept, keep = _seed_levels(rate, block, grid)
        clear = one_where_kept(noise, kept, torch.bool)
        for axis, size, n in zip((-2, -1), block, grid, strict=True):
            # Position i is clear if none of i ... i + size - 1 is a seed.
            clear = reduce(and_, (clear.narrow(axis, i, n - size + 1) for i in range(size)))
        return clear.to(dtype).mul_((1 / keep).to(dtype))


def _seed_levels(rate: Tensor, block: Sequence[int], grid: Sequence[int]) -> tuple[Tensor, Tensor]:
    """Returns how many of a draw's 65,536 values give no seed, [K, 1, 1, *grid], and the keep probability that results.

    A single number for the whole grid would be too coarse: gamma is small, and rounding it to 2⁻¹⁶ changes it by 3 % at rate
    0.01 and size 7. But a block, wherever it lies, holds every cell of a `block`-periodic pattern once. So the first m of
    the pattern's cells get one value more than the others. The keep probability, (n / 65536)^(cells - m) · ((n + 1) /
    65536)^m, is then as fine as in other variants, and the same everywhere.
    """
    height, width = block
    cells = height * width
    log_keep = torch.log1p(-rate.double())  # [K]; single precision would lose the digits that are gained
    n = torch.floor(torch.exp(log_keep / cells) * LEVELS).clamp(min=1)
    base, step = torch.log(n / LEVELS) * cells, torch.log1p(1 / n)
    m = torch.round((log_keep - base) / step).clamp(0, cells)
    rows, columns = (torch.arange(size, device=rate.device) for size in grid)
    cell = (rows % height)[:, None] * width + columns % width
    return n + (cell < m), torch.exp(base + m * step)

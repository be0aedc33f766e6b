"""Shake-Shake."""

from __future__ import annotations

from typing import ClassVar, Literal

import torch
from torch import Tensor
from typing_extensions import override

from dropbench.dropout.base import LEVELS, Variant
from dropbench.sites import Kind, Site


class ShakeShake(Variant):
    """Mixes two branches as α b₁ + (1 - α) b₂ with α ~ U(0, 1); the backward pass uses another number, β, in place of α.

    Gastaldi 2017, "Shake-Shake regularization", arXiv:1705.07485: the rule "Shake" forward and "Shake" backward of section
    2. In evaluation each branch has weight 1/2. `rate` is the largest distance of α and β from 1/2: 0.5, the default, is the
    paper's U(0, 1), and 0 is the mean of the branches. Above 0.5, which the paper does not use, α may leave (0, 1). A rising
    schedule of the rate widens the range over training.

    α and β are drawn for every pair of branches. `per` "example" draws them for each example independently, the paper's
    "Image" level, which it finds best; `per` "batch" draws them for the whole mini-batch, its "Batch" level. The paper's
    branches end in batch norm, as those of model=resnet do.
    """

    kinds: ClassVar[frozenset[Kind]] = frozenset({"pair"})
    multiplies = flips = False

    def __init__(self, *, per: Literal["example", "batch"] = "example") -> None:
        self.per = per

    @override
    def noise_shape(self, site: Site, batch: int) -> tuple[int, ...]:
        return (batch if self.per == "example" else 1, 2, *(1 for _ in site.shape[1:]))

    @override
    def mask(self, noise: Tensor, rate: Tensor, dtype: torch.dtype) -> Tensor:
        """Returns α - 1/2 and β - 1/2: [K, B or 1, 2, 1, ...]."""
        u = (noise.float() + (LEVELS // 2 + 0.5)) / LEVELS  # in (0, 1)
        away: Tensor = (2 * u - 1) * rate
        return away.to(dtype)

    @override
    def act(self, x: Tensor, mask: Tensor, rate: Tensor) -> Tensor:
        # The model takes the mean of the two branches, so the first gets the factor 2α = 1 + 2 (α - 1/2) and the second 2 (1
        # - α).
        sign = torch.tensor([2.0, -2.0], dtype=x.dtype, device=x.device).view(2, *(1,) * (x.ndim - 3))
        forward, back = 1 + sign * mask[:, :, :1], 1 + sign * mask[:, :, 1:]
        return x * back + (x * (forward - back)).detach()

"""Shake-Shake."""

from __future__ import annotations

from typing import ClassVar, Literal

import torch
from torch import Tensor
from typing_extensions import override

from dropbench.dropout.base import LEVELS, Variant
from dropbench.sites import Kind, Site


class ShakeShake(Variant):
    """Two branches come forward as α b₁ + (1 - α) b₂ with α ~ U(0, 1); on the way back another number, β, stands for α.

    Gastaldi 2017, "Shake-Shake regularization", arXiv:1705.07485: the rule "Shake" forward and "Shake" backward of section
    2. In evaluation each branch counts 1/2. `rate` is how far α and β may be from 1/2, either way: 0.5, the default, is the
    paper's U(0, 1), and 0 is the mean of the branches. Above 0.5, which the paper does not have, α may leave (0, 1). A
    schedule of the rate widens the range over training.

    α and β are drawn at every pair. `per` "example" draws them for each example by itself, the paper's "Image" level, which it
    finds best; `per` "batch" for the whole mini-batch, its "Batch" level. Theirs end in batch norm, as branches of
    model=resnet do.
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
        """α and β, less 1/2: [K, B or 1, 2, 1, ...]."""
        u = (noise.float() + (LEVELS // 2 + 0.5)) / LEVELS  # in (0, 1)
        away: Tensor = (2 * u - 1) * rate
        return away.to(dtype)

    @override
    def act(self, x: Tensor, mask: Tensor, rate: Tensor) -> Tensor:
        # The model takes the mean of the two, so α b₁ is half of 2α b₁ = (1 + 2 (α - 1/2)) b₁, and the other has the rest.
        sign = torch.tensor([2.0, -2.0], dtype=x.dtype, device=x.device).view(2, *(1,) * (x.ndim - 3))
        forward, back = 1 + sign * mask[:, :, :1], 1 + sign * mask[:, :, 1:]
        return x * back + (x * (forward - back)).detach()

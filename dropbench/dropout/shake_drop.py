"""ShakeDrop."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor
from typing_extensions import override

from dropbench.dropout.base import LEVELS, Keeping
from dropbench.dropout.stochastic_depth import StochasticDepth
from dropbench.sites import Site


class ShakeDrop(StochasticDepth):
    """Keeps a residual branch, or multiplies it by α ~ U(-1, 1) in the forward pass and its gradient by β ~ U(0, 1).

    Yamada, Iwamura, Akiba & Kise 2018, "ShakeDrop Regularization for Deep Residual Learning", arXiv:1802.02375, equation 6,
    with the ranges that the authors found best. `rate` is the probability that the last branch is not kept. With `decay`
    "linear", branch l of L has l / L of it, as in the paper, where the last branch has 1/2. Everything is drawn for each
    example independently (the paper's "image" level). In evaluation a branch is multiplied by the expected factor, 1 - rate.
    Branches should end in batch norm, as in the paper and in model=resnet: without it training can be unstable.
    """

    multiplies = rests = flips = False

    def __init__(self, *, decay: Literal["linear", "uniform"] = "linear") -> None:
        super().__init__(decay=decay, per="example")

    @override
    def noise_shape(self, site: Site, batch: int) -> tuple[int, ...]:
        return (batch, 3, *(1 for _ in site.shape[1:]))

    @override
    def mask(self, noise: Tensor, rate: Tensor, dtype: torch.dtype) -> Tensor:
        """Returns the factor of a branch in the forward pass, and that of its gradient in the backward pass: [K, B, 2, ...]."""
        kept = Keeping(rate, torch.float32, scales=False).mask(noise[:, :, :1].contiguous()) > 0
        u = (noise[:, :, 1:].float() + (LEVELS // 2 + 0.5)) / LEVELS  # in (0, 1)
        shaken = torch.cat([2 * u[:, :, :1] - 1, u[:, :, 1:]], 2)
        return torch.where(kept, 1.0, shaken).to(dtype)

    @override
    def act(self, x: Tensor, mask: Tensor, rate: Tensor) -> Tensor:
        forward, back = mask[:, :, :1], mask[:, :, 1:]
        return x * back + (x * (forward - back)).detach()

    @override
    def evaluate(self, x: Tensor, rate: Tensor) -> Tensor:
        return x * (1 - rate)

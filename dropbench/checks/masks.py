"""Every mask of a few elements, and what the engine's noise makes of a tensor."""

from __future__ import annotations

import torch
from torch import Tensor

from dropbench.dropout.base import Variant
from dropbench.engine.noise import StackNoise
from dropbench.sites import Site

ROUNDING = 1e-6
"""What single precision leaves of a scale: 1 / keep is one of its numbers."""


def every_mask(rate: float, elements: int, *, scaled: bool = True) -> tuple[Tensor, Tensor]:
    """All masks [2^elements, elements] of so many elements, float64, and the probability of each, [2^elements].

    rate: in [0, 1), of each element. scaled: whether what is kept is multiplied by 1 / (1 - rate).
    """
    kept = torch.cartesian_prod(*[torch.tensor([0.0, 1.0], dtype=torch.float64)] * elements).view(-1, elements)
    p = (kept * (1 - rate) + (1 - kept) * rate).prod(1)
    return (kept / (1 - rate) if scaled else kept), p


def noise(variant: Variant, site: Site, rate: float, batch: int, seed: int = 0) -> StackNoise:
    """The engine's noise of one network at one site."""
    return StackNoise(variant, [site], [{site.name: rate}], [seed], batch, torch.device("cpu"))


def normal(seed: int, *shape: int) -> Tensor:
    """Normal numbers, float64, the same on every machine."""
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)

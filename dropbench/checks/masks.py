"""Helpers for checks: all masks of a few elements, and the engine's noise on a tensor."""

from __future__ import annotations

import torch
from torch import Tensor

from dropbench.dropout.base import Variant
from dropbench.engine.noise import StackNoise
from dropbench.sites import Site

ROUNDING = 1e-6
"""The tolerance for rounding in single precision: the scale 1 / keep is a float32."""


def every_mask(rate: float, elements: int, *, scaled: bool = True) -> tuple[Tensor, Tensor]:
    """Returns all masks of `elements` elements, [2^elements, elements] float64, and their probabilities, [2^elements].

    rate: the probability that an element is dropped, in [0, 1). scaled: whether kept elements are 1 / (1 - rate) instead of 1.
    """
    kept = torch.cartesian_prod(*[torch.tensor([0.0, 1.0], dtype=torch.float64)] * elements).view(-1, elements)
    p = (kept * (1 - rate) + (1 - kept) * rate).prod(1)
    return (kept / (1 - rate) if scaled else kept), p


def noise(variant: Variant, site: Site, rate: float, batch: int, seed: int = 0) -> StackNoise:
    """Returns the engine's noise for one network at one site."""
    return StackNoise(variant, [site], [{site.name: rate}], [seed], batch, torch.device("cpu"))


def normal(seed: int, *shape: int) -> Tensor:
    """Returns standard normal numbers, float64, which are the same on every machine."""
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)

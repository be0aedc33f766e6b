"""Gaussian dropout."""

from __future__ import annotations

from typing import ClassVar, Literal

import torch
from torch import Tensor
from typing_extensions import override

from dropbench.dropout.base import Variant


class Gaussian(Variant):
    """Multiplies each element by its own draw from N(1, rate / (1 - rate)), the mean and variance of `standard`.

    Srivastava et al. 2014 (JMLR 15, section 10). No element is set to zero, so there is no drop fraction to measure; `rate`
    is the rate of Bernoulli noise with the same variance. Keras' `GaussianDropout` is the same; its `GaussianNoise` adds
    noise instead. Kingma et al. 2015 learn the variance: see `kingma`.
    """

    draws: ClassVar[Literal["bits", "normal"]] = "normal"

    @override
    def mask(self, noise: Tensor, rate: Tensor, dtype: torch.dtype) -> Tensor:
        return torch.addcmul(torch.ones_like(rate), noise, torch.sqrt(rate / (1 - rate))).to(dtype)

"""Initial weights: their random numbers and their scale."""

from __future__ import annotations

import math
from typing import Protocol

import torch
from torch import Tensor


class Draw(Protocol):
    """Random numbers for K replicas, each from the `init` stream of its own seed."""

    def uniform(self, shape: tuple[int, ...]) -> Tensor:
        """Returns uniform numbers in [0, 1), [K, *shape] float32."""
        ...

    def normal(self, shape: tuple[int, ...]) -> Tensor:
        """Returns standard normal numbers, [K, *shape] float32."""
        ...


def fan_in_uniform(draw: Draw, shape: tuple[int, ...], fan_in: int, gain: float) -> Tensor:
    """Returns weights [K, *shape], uniform with mean 0 and variance gain² / fan_in.

    References
    ----------
    He et al. 2015 (arXiv:1502.01852), equation 10, for gain √2; LeCun et al. 1998, "Efficient BackProp", for gain 1.
    """
    return draw.uniform(shape).mul_(2).sub_(1).mul_(gain * math.sqrt(3 / fan_in))


def orthogonal(draw: Draw, size: int, blocks: int) -> Tensor:
    """Returns hidden-to-hidden weights [K, size, blocks * size] of `blocks` random orthogonal matrices side by side.

    References
    ----------
    Saxe et al. 2014 (arXiv:1312.6120).
    """
    gaussian = draw.normal((blocks, size, size))
    # One matrix at a time: LAPACK's batched path may order its sums by batch, and a replica must not depend on its stack.
    flat = [torch.linalg.qr(g) for g in gaussian.flatten(0, 1).unbind(0)]
    # QR determines columns only up to their signs. Signs that make R's diagonal positive make the draw uniform over the
    # orthogonal group.
    qs = torch.stack([q * torch.sign(torch.diagonal(r)) for q, r in flat])
    return qs.view(-1, blocks, size, size).transpose(1, 2).reshape(-1, size, blocks * size)

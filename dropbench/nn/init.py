"""How weights start: what a layer is given to draw from, and the scale that suits an activation."""

from __future__ import annotations

import math
from typing import Protocol

import torch
from torch import Tensor


class Draw(Protocol):
    """Random numbers for K replicas, each from the `init` stream of its own seed."""

    def uniform(self, shape: tuple[int, ...]) -> Tensor:
        """[K, *shape] float32, uniform in [0, 1)."""
        ...

    def normal(self, shape: tuple[int, ...]) -> Tensor:
        """[K, *shape] float32, standard normal."""
        ...


def fan_in_uniform(draw: Draw, shape: tuple[int, ...], fan_in: int, gain: float) -> Tensor:
    """[K, *shape] uniform with variance gain² / fan_in (He et al. 2015, eq. 10, for gain √2; LeCun 1998 for gain 1)."""
    return draw.uniform(shape).mul_(2).sub_(1).mul_(gain * math.sqrt(3 / fan_in))


def orthogonal(draw: Draw, size: int, blocks: int) -> Tensor:
    """[K, size, blocks * size]: a random orthogonal matrix a block (Saxe et al. 2014), for hidden-to-hidden weights."""
    gaussian = draw.normal((blocks, size, size))
    # One matrix at a time: LAPACK's batched path may order its sums by batch, and a replica must not depend on its stack.
    flat = [torch.linalg.qr(g) for g in gaussian.flatten(0, 1).unbind(0)]
    # QR leaves the signs to chance; fixing R's diagonal positive makes the draw uniform over the orthogonal group.
    qs = torch.stack([q * torch.sign(torch.diagonal(r)) for q, r in flat])
    return qs.view(-1, blocks, size, size).transpose(1, 2).reshape(-1, size, blocks * size)

"""The contract of a variant: what shares a draw, what is drawn, and how it acts."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import ClassVar, Literal

import torch
from torch import Tensor

from dropbench.nn.linear import affine
from dropbench.sites import Kind, Site

LEVELS = 2**16
"""A draw is 16 bits, so a rate is met to within 2⁻¹⁷; see `kept_levels`."""


class Variant(ABC):
    """One way to inject noise into a stack of K replicas.

    Tensors handed to a variant have the replica axis first, and `rate` has one entry a replica, shaped [K, 1, ...] to
    broadcast. A variant holds no state and draws nothing itself: the engine gives it numbers from the run's own
    `mask/<site>` stream, so that the arms of one seed share them.
    """

    kinds: ClassVar[frozenset[Kind]]
    draws: ClassVar[Literal["bits", "normal"]] = "bits"

    def supports(self, site: Site) -> str | None:
        """None where the variant can act, else the reason why not."""
        if site.kind in self.kinds:
            return None
        return f"acts on {' and '.join(sorted(self.kinds))} sites, and {site.name} is of kind {site.kind}"

    @abstractmethod
    def noise_shape(self, site: Site, batch: int) -> tuple[int, ...]:
        """The shape of one replica's draw for a batch: 1 on each axis along which elements share a draw.

        The batch axis comes first, except for weights, which the whole batch shares.
        """

    @abstractmethod
    def mask(self, noise: Tensor, rate: Tensor, dtype: torch.dtype) -> Tensor:
        """What multiplies the site's tensor, from `noise` [K, *noise_shape]: int16 if `draws` is bits, else float32."""

    def act(self, x: Tensor, mask: Tensor, rate: Tensor) -> Tensor:
        """Training: a pure function of the site's tensor [K, ...] and the mask."""
        return x * mask

    def evaluate(self, x: Tensor, rate: Tensor) -> Tensor:
        """Evaluation: deterministic; the identity for every variant that preserves the expectation in training."""
        return x

    def evaluate_affine(
        self, x: Tensor, weight: Tensor, bias: Tensor, rate: Tensor, then: Callable[[Tensor], Tensor]
    ) -> Tensor:
        """Evaluation at a weight site; see `sites.Noise.affine`."""
        return then(affine(x, weight, bias))


def keep_mask(bits: Tensor, rate: Tensor, dtype: torch.dtype) -> Tensor:
    """0 where an element is dropped and 1/keep where it is kept, so that the mean is exactly 1 ("inverted" scaling).

    `keep` is that of `kept_levels`: rounded, and the scale is that of the rounded value.
    """
    kept = kept_levels(rate)
    return one_where_kept(bits, kept, dtype).mul_((LEVELS / kept).to(dtype))


def kept_levels(rate: Tensor) -> Tensor:
    """How many of the 65,536 values of a draw keep an element: 1 - rate rounded to a multiple of 2⁻¹⁶, and never none."""
    return torch.round((1 - rate) * LEVELS).clamp_(min=1)


def one_where_kept(bits: Tensor, kept: Tensor, dtype: torch.dtype) -> Tensor:
    """0 where an element is dropped and 1 where it is kept, for `kept` of `kept_levels`.

    `bits` are int16, uniform over all 65,536 values. Comparing integers straight into floats costs a fifteenth of
    drawing floats (docs/design.md).
    """
    # `<= kept - 32769`, not `< kept - 32768`: the latter is out of int16's range at rate 0.
    threshold = (kept - (LEVELS // 2 + 1)).to(torch.int16)
    # The mask lies in memory as the bits do, which is the order of what it multiplies, and is written in that order: this
    # comparison is eleven times slower across it.
    mask = torch.empty_like(bits, dtype=dtype)
    order = sorted(range(bits.ndim), key=bits.stride, reverse=True)
    torch.le(bits.permute(order), threshold.permute(order), out=mask.permute(order))
    return mask

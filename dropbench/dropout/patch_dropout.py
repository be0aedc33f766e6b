"""Patch dropout."""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Tensor
from typing_extensions import override

from dropbench.dropout.base import Variant
from dropbench.sites import Kind

_SLACK = 1e-3
"""A tolerance in patches. Rates are float32, and of 10 patches at rate 0.3 must stay 7, not ⌊6.9999998⌋ = 6."""


class PatchDropout(Variant):
    """Leaves whole patches of an image out of a transformer's sequence: of n patches, max(1, ⌊n (1 - rate)⌋) stay.

    Liu et al. 2022, "PatchDropout: Economizing Vision Transformers Using Patch Dropout" (arXiv:2208.07220), section 3; the
    same idea in Li et al. 2022 (arXiv:2212.00794). The patches that stay are drawn for each image independently, without
    replacement, and keep their positions in the image. Nothing is scaled. Evaluation uses all patches. timm's `PatchDropout`
    keeps the same number of patches, and also its class token, which this transformer does not have.

    The number is rounded down, so any rate above 0 leaves out at least one patch: of 4 patches, rates 0.1 and 0.25 both
    leave out one. A draw has 65,536 values; of two patches with equal draws, the first stays.

    Patches that are left out stay in memory, since runs of a stack leave out different numbers. No other patch attends to
    them, and the read-out ignores them, so the output is that of the shorter sequence. The time that the paper saves is not
    saved.
    """

    kinds: ClassVar[frozenset[Kind]] = frozenset({"patch"})
    scales: ClassVar[bool] = False

    @override
    def mask(self, noise: Tensor, rate: Tensor, dtype: torch.dtype) -> Tensor:
        """Returns 1 for the patches that stay, which have the lowest draws, and 0 for the others: [K, B, n]."""
        stay = (noise.shape[-1] * (1 - rate) + _SLACK).floor().clamp(min=1)
        rank = noise.argsort(stable=True, dim=-1).argsort(-1)
        return (rank < stay).to(dtype)

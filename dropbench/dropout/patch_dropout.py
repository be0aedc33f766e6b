"""Patch dropout."""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Tensor
from typing_extensions import override

from dropbench.dropout.base import Variant
from dropbench.sites import Kind

_SLACK = 1e-3
"""Of a patch: a rate is a float32, and 10 patches at rate 0.3 must be 7 and not 6.9999998 of them, cut to 6."""


class PatchDropout(Variant):
    """Whole patches of an image are left out of a transformer's sequence: of n, max(1, ⌊n (1 - rate)⌋) stay.

    Liu et al. 2022, "PatchDropout: Economizing Vision Transformers Using Patch Dropout" (arXiv:2208.07220), section 3; the
    same idea in Li et al. 2022 (arXiv:2212.00794). Which patches stay is drawn for each image by itself, without replacement;
    they keep the positions that they have in the image. Nothing is scaled. Evaluation uses all of them. timm's `PatchDropout`
    keeps the same number of patches, and its class token, which this transformer does not have.

    The number is cut to a whole one, so any rate above 0 leaves out at least one patch: of 4, rates of 0.1 and 0.25 leave out
    one. Equal draws, of which there are 65,536, go to the patch that comes first.

    What is left out stays in memory, since runs of a stack leave out different numbers: no other patch attends to it and the
    read-out does not see it, which is the function of the shorter sequence. The time that the paper saves is not saved.
    """

    kinds: ClassVar[frozenset[Kind]] = frozenset({"patch"})
    scales: ClassVar[bool] = False

    @override
    def mask(self, noise: Tensor, rate: Tensor, dtype: torch.dtype) -> Tensor:
        """1 for the patches that stay, those with the lowest draws, and 0 for the others: [K, B, n]."""
        stay = (noise.shape[-1] * (1 - rate) + _SLACK).floor().clamp(min=1)
        rank = noise.argsort(stable=True, dim=-1).argsort(-1)
        return (rank < stay).to(dtype)

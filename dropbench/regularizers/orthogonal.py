"""A penalty on weights of units that are not orthogonal (Bansal et al. 2018)."""

from __future__ import annotations

from typing import Annotated, ClassVar

import torch
from annotated_types import Ge
from torch import Tensor
from typing_extensions import override

from dropbench.regularizers.base import Draws, Regularizer, Slot, Step


class Orthogonal(Regularizer):
    """loss + λ Σ ‖WᵀW - I‖² over the same weights as `l2`, a convolution's as a matrix with one column per output.

    Bansal, Chen & Wang 2018, "Can We Gain More from Orthogonality Regularizations in Training Deep CNNs?", arXiv:1810.09102,
    equation 1, soft orthogonality. The smaller one of WᵀW and WWᵀ is used: both have the same gradient, and only the smaller
    one can reach the identity.
    """

    slot: ClassVar[Slot] = "loss"

    def __init__(self, *, alpha: Annotated[float, Ge(0)] = 1e-3) -> None:
        """alpha: λ."""

    @override
    def loss(self, step: Step, loss: Tensor, strength: Tensor, draws: Draws) -> Tensor:
        return loss + strength * sum((distance(w.flatten(2)) for w in step.weights), torch.zeros(()))


def distance(matrices: Tensor) -> Tensor:
    """Returns ‖WᵀW - I‖² over the shorter side of each of K matrices [K, M, N]: [K]."""
    upright = matrices if matrices.shape[1] >= matrices.shape[2] else matrices.mT
    one = torch.eye(upright.shape[2], device=upright.device)
    # One replica at a time: the rounding must not depend on how many matrices are multiplied in one call.
    return torch.stack([(w.mT @ w - one).square().sum() for w in upright.unbind(0)])

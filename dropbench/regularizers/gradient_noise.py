"""Gaussian noise on gradients (Neelakantan et al. 2015)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, ClassVar

from annotated_types import Ge
from torch import Tensor
from typing_extensions import override

from dropbench.regularizers.base import Draws, Regularizer, Slot, per_replica


class GradientNoise(Regularizer):
    """Adds N(0, η / (1 + t)^γ) to the gradient at update t, after clipping.

    Neelakantan et al. 2015, "Adding Gradient Noise Improves Learning for Very Deep Networks", arXiv:1511.06807, equation 1.
    """

    slot: ClassVar[Slot] = "gradient"

    def __init__(self, *, eta: Annotated[float, Ge(0)] = 0.01, gamma: Annotated[float, Ge(0)] = 0.55) -> None:
        """eta: η, the variance at the first update, in the paper 0.01 to 1. gamma: γ, how fast the variance falls."""
        self._gamma = gamma

    @override
    def gradient(self, parameters: Sequence[Tensor], strength: Tensor, draws: Draws, updates: int) -> None:
        sd = (strength / (1 + updates) ** self._gamma).sqrt()
        for p in parameters:
            if p.grad is not None:
                p.grad.add_(per_replica(sd, p) * draws.normal(tuple(p.shape[1:])))

"""Sharpness-aware minimisation (Foret et al. 2021)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, ClassVar

import torch
from annotated_types import Ge
from torch import Tensor
from typing_extensions import override

from dropbench.regularizers.base import Regularizer, Slot, Step, per_replica

TINY = 1e-12
"""Added to a norm before dividing by it."""


class SAM(Regularizer):
    """Takes the gradient at w + ρ g/‖g‖ instead of w: to first order the worst weights within distance ρ.

    Foret, Kleiner, Mobahi & Neyshabur 2021, "Sharpness-Aware Minimization for Efficiently Improving Generalization",
    arXiv:2010.01412, algorithm 1 with p = 2. Both passes have the same batch, dropout masks and random draws. Only the first
    one updates batch norm's running statistics.
    """

    slot: ClassVar[Slot] = "pass"
    passes: ClassVar[bool] = True

    def __init__(self, *, rho: Annotated[float, Ge(0)] = 0.05) -> None:
        """rho: the radius of the neighbourhood, in the Euclidean norm of all weights."""

    @override
    def gradients(self, step: Step, strength: Tensor) -> None:
        weights = {name: w for name, w in step.parameters.items() if w.grad is not None}
        with torch.no_grad():
            directions = self.directions(weights)
        climbed(step, list(weights.values()), directions, strength)

    def directions(self, weights: Mapping[str, Tensor]) -> list[Tensor]:
        """Returns the direction of steepest ascent as a tensor [K, ...] per weight; each replica's norm is 1."""
        gradients = [w.grad for w in weights.values() if w.grad is not None]
        length = norm(gradients)
        return [g / (per_replica(length, g) + TINY) for g in gradients]


def norm(tensors: list[Tensor]) -> Tensor:
    """Returns the Euclidean norm of all tensors of each replica together, [K]."""
    # Row by row: a reduction over a whole stack would add in an order that depends on K.
    squares = torch.stack([torch.linalg.vector_norm(t.reshape(len(t), -1), dim=1) for t in tensors]).square().unbind(0)
    return sum(squares[1:], squares[0]).sqrt()


def climbed(step: Step, weights: list[Tensor], directions: list[Tensor], strength: Tensor) -> None:
    """Puts the gradient at weights + strength [K] · directions into `grad`, and restores the weights."""
    with torch.no_grad():
        own = [w.clone() for w in weights]
        for w, direction in zip(weights, directions, strict=True):
            w.add_(per_replica(strength, w) * direction)
            w.grad = None
    step.objective().sum().backward()
    with torch.no_grad():
        for w, before in zip(weights, own, strict=True):
            w.copy_(before)

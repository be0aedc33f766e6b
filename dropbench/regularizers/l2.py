"""The squared length of the weights as a part of the loss."""

from __future__ import annotations

from typing import Annotated, ClassVar

import torch
from annotated_types import Ge
from torch import Tensor
from typing_extensions import override

from dropbench.regularizers.base import Draws, Regularizer, Slot, Step


class L2(Regularizer):
    """loss + alpha Σ w², over all weights but biases, and scales and shifts of normalisation.

    Hoerl & Kennard 1970; Krogh & Hertz 1992. With plain SGD it is weight decay of 2 alpha, with Adam it is not (Loshchilov &
    Hutter 2019, arXiv:1711.05101).
    """

    slot: ClassVar[Slot] = "loss"

    def __init__(self, *, alpha: Annotated[float, Ge(0)] = 1e-4) -> None:
        """alpha: how much it counts."""

    @override
    def loss(self, step: Step, loss: Tensor, strength: Tensor, draws: Draws) -> Tensor:
        return loss + strength * squared(step)


def squared(step: Step) -> Tensor:
    """The sum of squared weights of each replica, [K]."""
    sums = [w.square().flatten(1).sum(1) for w in step.weights]
    return sum(sums, torch.zeros(()))

"""A penalty on the squared weights."""

from __future__ import annotations

from typing import Annotated, ClassVar

import torch
from annotated_types import Ge
from torch import Tensor
from typing_extensions import override

from dropbench.regularizers.base import Draws, Regularizer, Slot, Step


class L2(Regularizer):
    """loss + alpha Σ w², over all weights except biases, and scales and shifts of normalisation.

    Hoerl & Kennard 1970; Krogh & Hertz 1992. With plain SGD it equals a weight decay of 2 alpha; with Adam it does not
    (Loshchilov & Hutter 2019, arXiv:1711.05101).
    """

    slot: ClassVar[Slot] = "loss"

    def __init__(self, *, alpha: Annotated[float, Ge(0)] = 1e-4) -> None:
        """alpha: weight of the penalty."""

    @override
    def loss(self, step: Step, loss: Tensor, strength: Tensor, draws: Draws) -> Tensor:
        return loss + strength * squared(step)


def squared(step: Step) -> Tensor:
    """Returns the sum of squared weights of each replica, [K]."""
    sums = [w.square().flatten(1).sum(1) for w in step.weights]
    return sum(sums, torch.zeros(()))

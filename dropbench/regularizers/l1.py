"""A penalty on the absolute values of the weights."""

from __future__ import annotations

from typing import Annotated, ClassVar

import torch
from annotated_types import Ge
from torch import Tensor
from typing_extensions import override

from dropbench.regularizers.base import Draws, Regularizer, Slot, Step


class L1(Regularizer):
    """loss + alpha Σ |w|, over all weights except those with one axis: biases, and scales and shifts of normalisation.

    Tibshirani 1996, "Regression Shrinkage and Selection via the Lasso", JRSS B 58. The optimizers use its subgradient, which
    is 0 at 0, so weights get close to 0 but do not stay there.
    """

    slot: ClassVar[Slot] = "loss"

    def __init__(self, *, alpha: Annotated[float, Ge(0)] = 1e-4) -> None:
        """alpha: weight of the penalty."""

    @override
    def loss(self, step: Step, loss: Tensor, strength: Tensor, draws: Draws) -> Tensor:
        return loss + strength * absolute(step)


def absolute(step: Step) -> Tensor:
    """Returns the sum of absolute weights of each replica, [K]."""
    sums = [w.abs().flatten(1).sum(1) for w in step.weights]
    return sum(sums, torch.zeros(()))

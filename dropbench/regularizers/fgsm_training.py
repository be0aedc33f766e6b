"""Adversarial training by the fast gradient sign method (Goodfellow et al. 2015)."""

from __future__ import annotations

from typing import Annotated, ClassVar

import torch
from annotated_types import Ge, Le
from torch import Tensor
from typing_extensions import override

from dropbench.regularizers.base import Draws, Given, Regularizer, Slot, Step, per_replica


class FGSMTraining(Regularizer):
    """Replaces the loss L(x) by α L(x) + (1 - α) L(x + ε sign(∇ₓ L)), both under the same dropout masks.

    Goodfellow, Shlens & Szegedy 2015, "Explaining and Harnessing Adversarial Examples", arXiv:1412.6572, section 6. ε is in
    standard deviations of the normalised input and nothing is clipped, as in the metric `fgsm`.
    """

    slot: ClassVar[Slot] = "loss"
    passes: ClassVar[bool] = True
    inputs_need_gradient: ClassVar[bool] = True

    def __init__(self, *, eps: Annotated[float, Ge(0)] = 0.1, alpha: Annotated[float, Ge(0), Le(1)] = 0.5) -> None:
        """eps: ε. alpha: α, the weight of the unchanged example; 0 trains on adversarial examples only."""
        self._alpha = alpha

    @override
    def supports(self, given: Given) -> str | None:
        return no_numbers(given)

    @override
    def loss(self, step: Step, loss: Tensor, strength: Tensor, draws: Draws) -> Tensor:
        x = step.batch.x
        own = step.losses(step.output, step.batch)
        adversarial = x.detach() + per_replica(strength, x) * slope(own, x).sign()
        difference = step.losses(step.replay(adversarial), step.batch) - own
        return torch.where(strength > 0, loss + (1 - self._alpha) * difference, loss)


def no_numbers(given: Given) -> str | None:
    """Returns why inputs have no gradient, as the end of a sentence, or None if they have one."""
    return (
        None if given.numbers else "changes inputs along their gradient, and words or nodes to look up have no gradient"
    )


def slope(losses: Tensor, x: Tensor) -> Tensor:
    """Returns the gradient of each replica's loss [K] with respect to its inputs x [K, B, ...]."""
    (gradient,) = torch.autograd.grad(losses.sum(), x, retain_graph=True)
    return gradient

"""Adversarial training by projected gradient descent (Madry et al. 2018)."""

from __future__ import annotations

from typing import Annotated, ClassVar

import torch
from annotated_types import Ge, Gt
from torch import Tensor
from typing_extensions import override

from dropbench.regularizers.base import Draws, Given, Regularizer, Slot, Step, per_replica
from dropbench.regularizers.fgsm_training import no_numbers, slope


class PGDTraining(Regularizer):
    """Replaces the loss at x by the loss at the worst input within ±ε of x that a few steps of sign gradient ascent find.

    Madry, Makelov, Schmidt, Tsipras & Vladu 2018, "Towards Deep Learning Models Resistant to Adversarial Attacks",
    arXiv:1706.06083. The ascent starts at a uniformly random point in the box and is projected back into it after each step.
    All passes have the same dropout masks. ε is in standard deviations of the normalised input, and nothing is clipped to
    the range of the data.
    """

    slot: ClassVar[Slot] = "loss"
    passes: ClassVar[bool] = True

    def __init__(
        self,
        *,
        eps: Annotated[float, Ge(0)] = 0.1,
        steps: Annotated[int, Gt(0)] = 7,
        step_size: Annotated[float, Gt(0)] = 0.25,
    ) -> None:
        """eps: ε. steps: steps of the ascent, each with a forward and backward pass. step_size: of each, as a share of ε."""
        self._steps, self._size = steps, step_size

    @override
    def supports(self, given: Given) -> str | None:
        return no_numbers(given)

    @override
    def loss(self, step: Step, loss: Tensor, strength: Tensor, draws: Draws) -> Tensor:
        x = step.batch.x.detach()
        # In units of ε, so that the arms of a seed start at the same place.
        moved = 2 * draws.uniform(tuple(x.shape[1:])) - 1
        eps = per_replica(strength, x)
        for _ in range(self._steps):
            adversarial = (x + eps * moved).requires_grad_()
            reached = step.losses(step.replay(adversarial), step.batch)
            moved = (moved + self._size * slope(reached, adversarial).sign()).clamp(-1, 1)
        difference = step.losses(step.replay(x + eps * moved), step.batch) - step.losses(step.output, step.batch)
        return torch.where(strength > 0, loss + difference, loss)

"""R-Drop (Liang et al. 2021)."""

from __future__ import annotations

from typing import Annotated, ClassVar

import torch
from annotated_types import Ge
from torch import Tensor
from typing_extensions import override

from dropbench.regularizers.base import Draws, Given, Regularizer, Slot, Step
from dropbench.regularizers.confidence_penalty import no_distribution


class RDrop(Regularizer):
    """The mean loss of two passes under different dropout masks, plus α/4 (KL(p ‖ q) + KL(q ‖ p)) of their predictions.

    Liang et al. 2021, "R-Drop: Regularized Dropout for Neural Networks", arXiv:2106.14448, equations 1 to 3, halved: the
    paper adds the two losses, which would double the learning rate here. α means the same as in the paper.
    """

    slot: ClassVar[Slot] = "loss"
    passes: ClassVar[bool] = True
    fresh_masks: ClassVar[bool] = True

    def __init__(self, *, alpha: Annotated[float, Ge(0)] = 1.0) -> None:
        """alpha: α, in the paper 1 to 5. At 0 there is a single ordinary pass."""

    @override
    def supports(self, given: Given) -> str | None:
        return no_distribution(given)

    @override
    def loss(self, step: Step, loss: Tensor, strength: Tensor, draws: Draws) -> Tensor:
        output, other = step.output, step.again()
        difference = step.losses(other, step.batch) - step.losses(output, step.batch)
        p, q = (o.float().flatten(1, -2) for o in (output, other))
        between = (p.softmax(-1) - q.softmax(-1)) * (p.log_softmax(-1) - q.log_softmax(-1))
        added = difference / 2 + strength / 4 * between.sum(-1).mean(1)
        return torch.where(strength > 0, loss + added, loss)

"""Multi-sample dropout (Inoue 2019)."""

from __future__ import annotations

from typing import Annotated, ClassVar

import torch
from annotated_types import Ge
from torch import Tensor
from typing_extensions import override

from dropbench.regularizers.base import Draws, Regularizer, Slot, Step


class MultiSample(Regularizer):
    """The mean of the losses of an example under several dropout masks, drawn independently, in place of the loss under one.

    Inoue 2019, "Multi-Sample Dropout for Accelerated Training and Better Generalization", arXiv:1905.09788. There masks differ
    at the last dropout layer alone, so that what comes before it is computed once. That is what it is here where dropout is
    placed there alone, as by `dropout.placement=[head]`, but for the time: each sample is a pass through the model.

    With a schedule the number in force is rounded. As many passes are made as the number without it says.
    """

    slot: ClassVar[Slot] = "loss"
    passes: ClassVar[bool] = True
    fresh_masks: ClassVar[bool] = True

    def __init__(self, *, samples: Annotated[int, Ge(1)] = 8) -> None:
        """samples: how many masks, that of the plain pass included; 1 is none."""

    @override
    def further(self, strengths: Tensor) -> int:
        return int(strengths.max()) - 1

    @override
    def loss(self, step: Step, loss: Tensor, strength: Tensor, draws: Draws) -> Tensor:
        own, samples = step.losses(step.output, step.batch), strength.round()
        for place in range(step.further):
            difference = step.losses(step.again(place), step.batch) - own
            loss = torch.where(samples > place + 1, loss + difference / samples, loss)
        return loss

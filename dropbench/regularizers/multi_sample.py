"""Multi-sample dropout (Inoue 2019)."""

from __future__ import annotations

from typing import Annotated, ClassVar

import torch
from annotated_types import Ge
from torch import Tensor
from typing_extensions import override

from dropbench.regularizers.base import Draws, Regularizer, Slot, Step


class MultiSample(Regularizer):
    """Replaces the loss under one dropout mask by the mean loss under several independent masks.

    Inoue 2019, "Multi-Sample Dropout for Accelerated Training and Better Generalization", arXiv:1905.09788. In the paper the
    masks differ only at the last dropout layer, and the layers before it are computed once. The results are the same here if
    dropout acts there only, as with `dropout.placement=[head]`, but each sample takes a whole pass through the model.

    With a schedule the current number of samples is rounded. The number of passes is always that without the schedule.
    """

    slot: ClassVar[Slot] = "loss"
    passes: ClassVar[bool] = True
    fresh_masks: ClassVar[bool] = True

    def __init__(self, *, samples: Annotated[int, Ge(1)] = 8) -> None:
        """samples: the number of masks, including the one of the ordinary pass; 1 is ordinary training."""

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

"""Flooding (Ishida et al. 2020)."""

from __future__ import annotations

from typing import Annotated, ClassVar

import torch
from annotated_types import Ge
from torch import Tensor
from typing_extensions import override

from dropbench.regularizers.base import Draws, Regularizer, Slot, Step


class Flooding(Regularizer):
    """|L - b| + b in place of L, the mean loss of a batch: below b training goes uphill again.

    Ishida, Yamane, Sakai, Niu & Sugiyama 2020, "Do We Need Zero Training Loss After Achieving Zero Training Error?",
    arXiv:2002.08709, equation 4, by batches as in section 2.4. L holds what comes before it by name in the slot.
    """

    slot: ClassVar[Slot] = "loss"

    def __init__(self, *, b: Annotated[float, Ge(0)] = 0.05) -> None:
        """b: the flood level, in the unit of the loss; 0.01 to 0.1 there, by validation."""

    @override
    def loss(self, step: Step, loss: Tensor, strength: Tensor, draws: Draws) -> Tensor:
        # A level of 0 is none also where a loss can be negative, as that of train.loss=gaussian.
        return torch.where(strength > 0, (loss - strength).abs() + strength, loss)

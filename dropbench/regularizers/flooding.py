"""Flooding (Ishida et al. 2020)."""

from __future__ import annotations

from typing import Annotated, ClassVar

import torch
from annotated_types import Ge
from torch import Tensor
from typing_extensions import override

from dropbench.regularizers.base import Draws, Regularizer, Slot, Step


class Flooding(Regularizer):
    """Replaces the mean loss L of a batch by |L - b| + b, so that training ascends when L is below b.

    Ishida, Yamane, Sakai, Niu & Sugiyama 2020, "Do We Need Zero Training Loss After Achieving Zero Training Error?",
    arXiv:2002.08709, equation 4, applied to each batch as in section 2.4. L includes regularizers of the slot whose names
    come before this one's.
    """

    slot: ClassVar[Slot] = "loss"

    def __init__(self, *, b: Annotated[float, Ge(0)] = 0.05) -> None:
        """b: the flood level, in the unit of the loss; in the paper 0.01 to 0.1, chosen by validation."""

    @override
    def loss(self, step: Step, loss: Tensor, strength: Tensor, draws: Draws) -> Tensor:
        # A level of 0 means no flooding, even if the loss can be negative, as with train.loss=gaussian.
        return torch.where(strength > 0, (loss - strength).abs() + strength, loss)

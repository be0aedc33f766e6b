"""CutMix (Yun et al. 2019)."""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated, ClassVar

import torch
from annotated_types import Ge, Gt, Le
from torch import Tensor
from typing_extensions import override

from dropbench.data.batch import Batch
from dropbench.regularizers.base import Draws, Given, Regularizer, Slot
from dropbench.regularizers.boxes import centres, inside
from dropbench.regularizers.mixup import no_targets, quantile, targets


class CutMix(Regularizer):
    """A box of each image is that of another image of the batch, and the losses are mixed by area.

    The box has the area 1 - λ, λ ~ Beta(α, α), and its centre is any pixel; what sticks out is cut off, and the losses' shares
    are those of the area that is left. Box and λ are one a batch.

    Yun et al. 2019, "CutMix: Regularization Strategy to Train Strong Classifiers with Localizable Features", arXiv:1905.04899,
    algorithm A1 and the authors' code.
    """

    slot: ClassVar[Slot] = "mixing"

    def __init__(
        self, *, alpha: Annotated[float, Ge(0)] = 1.0, probability: Annotated[float, Gt(0), Le(1)] = 1.0
    ) -> None:
        """alpha: of the Beta distribution; 0 is no mixing. probability: that a batch is mixed at all; 0.5 for CIFAR there."""
        self._probability = probability

    @override
    def supports(self, given: Given) -> str | None:
        return no_targets(given) if given.image else "cuts boxes out of images, and these are none"

    @override
    def examples(self, batch: Batch, strength: Tensor, draws: Draws, given: Given) -> Batch:
        assert given.image is not None
        _, height, width = given.image
        order = draws.permutation(batch.y.shape[1])
        share, vertical, horizontal, chance = draws.uniform((4, 1)).unbind(1)
        acts = (strength[:, None] > 0) & (chance < self._probability)
        side = (1 - quantile(strength, share)).sqrt() * acts
        y, x = centres(vertical, height), centres(horizontal, width)
        half_y, half_x = (height * side).long() // 2, (width * side).long() // 2
        top, bottom = (y - half_y).clamp(min=0), (y + half_y).clamp(max=height)
        left, right = (x - half_x).clamp(min=0), (x + half_x).clamp(max=width)
        own = 1 - ((bottom - top) * (right - left)).float() / (height * width)
        rows = torch.arange(len(order), device=order.device)[:, None]
        x = torch.where(inside(top, bottom, left, right, given), batch.x[rows, order], batch.x)
        return replace(batch, x=x, mixed=targets(batch, own, order))

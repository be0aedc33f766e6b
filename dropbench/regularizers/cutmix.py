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
from dropbench.regularizers.table_columns import chosen, columns_of, uncut


class CutMix(Regularizer):
    """Replaces a box of each image, or columns of a table, by those of another example, and mixes their losses by area.

    The box has the area 1 - λ with λ ~ Beta(α, α), and its centre is a random pixel. The part outside the image is cut off,
    and the losses are mixed by the remaining area. Box and λ are drawn once per batch.

    Yun et al. 2019, "CutMix: Regularization Strategy to Train Strong Classifiers with Localizable Features", arXiv:1905.04899,
    algorithm A1 and the authors' code.

    In a table, 1 - λ is the share of the columns that come from another row, rounded to whole columns, and the losses are
    mixed by that share. The columns are drawn once per batch. Kadra, Lindauer, Hutter & Grabocka 2021, "Well-tuned Simple
    Nets Excel on Tabular Datasets", arXiv:2106.11189, do the same with single inputs; here all inputs of a column stay
    together.
    """

    slot: ClassVar[Slot] = "mixing"

    def __init__(
        self, *, alpha: Annotated[float, Ge(0)] = 1.0, probability: Annotated[float, Gt(0), Le(1)] = 1.0
    ) -> None:
        """alpha: α; 0 is no mixing. probability: the probability that a batch is mixed; 0.5 for CIFAR in the paper."""
        self._probability = probability

    @override
    def supports(self, given: Given) -> str | None:
        return uncut(given) or no_targets(given)

    @override
    def examples(self, batch: Batch, strength: Tensor, draws: Draws, given: Given) -> Batch:
        order = draws.permutation(batch.y.shape[1])
        replaced, own = (self._box if given.image else self._columns)(strength, draws, given)
        rows = torch.arange(len(order), device=order.device)[:, None]
        x = torch.where(replaced, batch.x[rows, order], batch.x)
        return replace(batch, x=x, mixed=targets(batch, own, order))

    def _box(self, strength: Tensor, draws: Draws, given: Given) -> tuple[Tensor, Tensor]:
        """Returns a mask of the pixels to replace, broadcasting over [K, B, *given.shape], and the share that stays, [K, 1]."""
        assert given.image is not None
        _, height, width = given.image
        share, vertical, horizontal, chance = draws.uniform((4, 1)).unbind(1)
        acts = (strength[:, None] > 0) & (chance < self._probability)
        side = (1 - quantile(strength, share)).sqrt() * acts
        y, x = centres(vertical, height), centres(horizontal, width)
        half_y, half_x = (height * side).long() // 2, (width * side).long() // 2
        top, bottom = (y - half_y).clamp(min=0), (y + half_y).clamp(max=height)
        left, right = (x - half_x).clamp(min=0), (x + half_x).clamp(max=width)
        own = 1 - ((bottom - top) * (right - left)).float() / (height * width)
        return inside(top, bottom, left, right, given), own

    def _columns(self, strength: Tensor, draws: Draws, given: Given) -> tuple[Tensor, Tensor]:
        """Returns a mask of the inputs to replace, [K, 1, F], and the share of the columns that stay, [K, 1]."""
        share, chance = draws.uniform((2, 1)).unbind(1)
        acts = (strength[:, None] > 0) & (chance < self._probability)
        replaced, others = chosen(draws.uniform((1, columns_of(given))), (1 - quantile(strength, share)) * acts, given)
        return replaced, 1 - others

"""Cutout (DeVries & Taylor 2017)."""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated, ClassVar

from annotated_types import Ge, Gt, Le
from torch import Tensor
from typing_extensions import override

from dropbench.data.batch import Batch
from dropbench.regularizers.base import Draws, Given, Regularizer, Slot
from dropbench.regularizers.boxes import centres, inside
from dropbench.regularizers.table_columns import chosen, columns_of, uncut


class Cutout(Regularizer):
    """Sets a square of each training image to zero, which is the mean; the centre is a random pixel, so it may stick out.

    In a table it sets columns to zero: a share `ratio` of them, rounded and at least one, drawn without replacement for each
    row. A number is then at its mean (its median with `data.scale` quantile or squash), and a category has none of its
    levels. Kadra et al. 2021 (arXiv:2106.11189) cut single inputs, drawn once per batch; here all inputs of a column stay
    together.

    DeVries & Taylor 2017, "Improved Regularization of Convolutional Neural Networks with Cutout", arXiv:1708.04552.
    `train.augment.erase` is different: random erasing (Zhong et al. 2020) has a black rectangle of random area and shape
    inside the image.
    """

    slot: ClassVar[Slot] = "examples"

    def __init__(
        self, *, ratio: Annotated[float, Ge(0), Le(1)] = 0.5, probability: Annotated[float, Gt(0), Le(1)] = 1.0
    ) -> None:
        """ratio: side of the square over the image's shorter side, or share of columns. probability: that an example is cut."""
        self._probability = probability

    @override
    def supports(self, given: Given) -> str | None:
        return uncut(given)

    @override
    def examples(self, batch: Batch, strength: Tensor, draws: Draws, given: Given) -> Batch:
        if given.image is None:
            return replace(batch, x=batch.x.masked_fill(self._columns(batch.x.shape[1], strength, draws, given), 0))
        _, height, width = given.image
        vertical, horizontal, chance = draws.uniform((3, batch.x.shape[1])).unbind(1)
        side = (strength * min(height, width)).round().long()[:, None] * (chance < self._probability)
        top, left = centres(vertical, height) - side // 2, centres(horizontal, width) - side // 2
        return replace(batch, x=batch.x.masked_fill(inside(top, top + side, left, left + side, given), 0))

    def _columns(self, rows: int, strength: Tensor, draws: Draws, given: Given) -> Tensor:
        """Returns which inputs of a table's rows are cut, bool [K, B, F]."""
        columns = columns_of(given)
        acts = (draws.uniform((rows,)) < self._probability) & (strength[:, None] > 0)
        return chosen(draws.uniform((rows, columns)), strength.clamp(min=1 / columns)[:, None] * acts, given)[0]

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


class Cutout(Regularizer):
    """A square of each training image is set to zero, which is the mean; its centre is any pixel, so it may stick out.

    DeVries & Taylor 2017, "Improved Regularization of Convolutional Neural Networks with Cutout", arXiv:1708.04552. Different
    from `train.augment.erase`, random erasing (Zhong et al. 2020), whose rectangle has a random area and shape, lies inside the
    image and is black.
    """

    slot: ClassVar[Slot] = "examples"

    def __init__(
        self, *, ratio: Annotated[float, Ge(0), Le(1)] = 0.5, probability: Annotated[float, Gt(0), Le(1)] = 1.0
    ) -> None:
        """ratio: side of the square as a share of the image's shorter side. probability: that an image is cut at all."""
        self._probability = probability

    @override
    def supports(self, given: Given) -> str | None:
        return None if given.image else "cuts squares out of images, and these are none"

    @override
    def examples(self, batch: Batch, strength: Tensor, draws: Draws, given: Given) -> Batch:
        assert given.image is not None
        _, height, width = given.image
        vertical, horizontal, chance = draws.uniform((3, batch.x.shape[1])).unbind(1)
        side = (strength * min(height, width)).round().long()[:, None] * (chance < self._probability)
        top, left = centres(vertical, height) - side // 2, centres(horizontal, width) - side // 2
        return replace(batch, x=batch.x.masked_fill(inside(top, top + side, left, left + side, given), 0))

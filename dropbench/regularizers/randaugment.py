"""RandAugment (Cubuk et al. 2020)."""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated, ClassVar

import torch
from annotated_types import Ge, Gt, Le
from torch import Tensor
from typing_extensions import override

from dropbench.data import views
from dropbench.data.batch import Batch
from dropbench.data.operations import IDENTITY, OPERATIONS, STRONGEST
from dropbench.regularizers.base import Draws, Given, Regularizer, Slot


class RandAugment(Regularizer):
    """Applies a few random operations out of 14 to each training image, all with the same magnitude.

    Cubuk, Zoph, Shlens & Le 2020, "RandAugment: Practical automated data augmentation with a reduced search space",
    arXiv:1909.13719, with the operations, numbers and defaults of torchvision's `v2.RandAugment`. The operations need images
    of bytes, so an image is converted from normalised numbers to 0..255, rounded, changed, and normalised again. An image
    for which only the identity is drawn stays unchanged. At magnitude 0 nothing is done; at any larger one the two
    operations without a magnitude (autocontrast, equalize) act in full. The magnitude may have a schedule.
    """

    slot: ClassVar[Slot] = "examples"

    def __init__(
        self,
        *,
        magnitude: Annotated[float, Ge(0), Le(STRONGEST)] = 9.0,
        operations: Annotated[int, Gt(0), Le(100)] = 2,
    ) -> None:
        """magnitude: of all operations, in 0..30. operations: how many are applied to an image, one after the other."""
        self._operations = operations

    @override
    def supports(self, given: Given) -> str | None:
        if given.image is None:
            return "changes images, and these data are not images"
        if given.image[0] not in (1, 3):
            return f"changes grey or colour images, and these have {given.image[0]} channels"
        if given.task == "reconstruct":
            return "changes the image, and the target of a reconstruction is the unchanged image"
        return None

    @override
    def examples(self, batch: Batch, strength: Tensor, draws: Draws, given: Given) -> Batch:
        assert given.image is not None and batch.shift is not None and batch.scale is not None
        replicas, n = batch.x.shape[:2]
        which, sign = draws.uniform((2, self._operations, n)).cpu().unbind(1)  # [K, operations, B]
        chosen = (which * len(OPERATIONS)).long().clamp(max=len(OPERATIONS) - 1)
        chosen[strength.cpu() == 0] = list(OPERATIONS).index(IDENTITY)
        acts = (chosen != list(OPERATIONS).index(IDENTITY)).any(1).flatten().nonzero()[:, 0]
        if len(acts) == 0:
            return batch
        images = _bytes(batch, given.image).flatten(0, 1)
        magnitudes = strength.cpu()[:, None].expand(-1, n).flatten()
        for turn in range(self._operations):
            _change(images, chosen[:, turn].flatten(), sign[:, turn].flatten() <= 0.5, magnitudes)
        seen = views.apply(images.view(replicas, n, *given.image).float().div_(255), "CHW", given.view)
        changed = torch.addcmul(batch.shift, seen, batch.scale).flatten(0, 1)
        acts = acts.to(images.device)
        x = batch.x.clone()  # keeps its memory layout
        x[acts // n, acts % n] = changed[acts]
        return replace(batch, x=x)


def _bytes(batch: Batch, image: tuple[int, int, int]) -> Tensor:
    """Returns the images [K, B, C, H, W] in 0..255 that the model receives normalised and in some view."""
    assert batch.shift is not None and batch.scale is not None
    raw = ((batch.x - batch.shift) / batch.scale * 255).round_().clamp_(0, 255).to(torch.uint8)
    channels, height, width = image
    if batch.x.ndim == 4:  # a sequence: one step per row of pixels, with the columns of all channels
        raw = raw.view(*raw.shape[:3], channels, width).movedim(2, 3)
    return raw.reshape(*raw.shape[:2], channels, height, width).contiguous()


def _change(images: Tensor, chosen: Tensor, negative: Tensor, magnitudes: Tensor) -> None:
    """Applies one operation to each of n images, in place; images with the same operation, magnitude and sign go together.

    images [n, C, H, W]. For each image: the number of the operation, whether its sign is negative, and the magnitude, [n] on
    the CPU.
    """
    height, width = images.shape[-2:]
    for i, (name, operation) in enumerate(OPERATIONS.items()):
        for magnitude in magnitudes[chosen == i].unique().tolist() if name != IDENTITY else ():
            number = operation.number(magnitude, height, width)
            for taken in (False, True) if operation.signed else (None,):
                rows = (chosen == i) & (magnitudes == magnitude)
                rows = rows if taken is None else rows & (negative == taken)
                at = rows.nonzero()[:, 0].to(images.device)
                if len(at):
                    images[at] = operation.apply(images[at], -number if taken else number)

"""The operations of RandAugment on images of bytes, by torchvision's kernels with torchvision's magnitudes."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from math import atan, degrees

import torch
from torch import Tensor

from dropbench.data._torchvision import kernels

STRONGEST = 30
"""The largest magnitude. The integers 0 to 30 are the magnitudes of torchvision's RandAugment; others are interpolated."""


@dataclass(frozen=True)
class Operation:
    """An operation on images [n, C, H, W] of bytes.

    Attributes
    ----------
    apply : Callable
        A function of the images and a number.
    numbers : Callable or None
        Gives the number at each magnitude 0..30, [31], for a height and width of the images; None: there is no number.
    signed : bool
        Whether the number is negated with probability 1/2.
    """

    apply: Callable[[Tensor, float], Tensor]
    numbers: Callable[[int, int], Tensor] | None = None
    signed: bool = False

    def number(self, magnitude: float, height: int, width: int) -> float:
        """Returns the number at a magnitude in 0..30, without a sign."""
        if self.numbers is None:
            return 0.0
        table = self.numbers(height, width).double()
        below = int(magnitude)
        between = magnitude - below
        return float(table[below] if not between else table[below] + between * (table[below + 1] - table[below]))


def _up_to(top: float) -> Callable[[int, int], Tensor]:
    return lambda height, width: torch.linspace(0.0, top, STRONGEST + 1)


def _shear(horizontal: bool) -> Callable[[Tensor, float], Tensor]:
    def apply(images: Tensor, slope: float) -> Tensor:
        angle = degrees(atan(slope))
        shear = [angle, 0.0] if horizontal else [0.0, angle]
        out: Tensor = kernels().affine(images, angle=0.0, translate=[0, 0], scale=1.0, shear=shear, center=[0, 0])
        return out

    return apply


def _translate(horizontal: bool) -> Callable[[Tensor, float], Tensor]:
    def apply(images: Tensor, pixels: float) -> Tensor:
        translate = [int(pixels), 0] if horizontal else [0, int(pixels)]
        out: Tensor = kernels().affine(images, angle=0.0, translate=translate, scale=1.0, shear=[0.0, 0.0])
        return out

    return apply


def _kernel(
    name: str, value: Callable[[float], float | int] = lambda number: number
) -> Callable[[Tensor, float], Tensor]:
    """Returns the kernel of that name with its argument computed from the number."""

    def apply(images: Tensor, number: float) -> Tensor:
        out: Tensor = getattr(kernels(), name)(images, value(number))
        return out

    return apply


def _kernel_alone(name: str) -> Callable[[Tensor, float], Tensor]:
    """Returns the kernel of that name, which takes no number."""

    def apply(images: Tensor, number: float) -> Tensor:
        out: Tensor = getattr(kernels(), name)(images)
        return out

    return apply


def _factor(number: float) -> float:
    return 1.0 + number


IDENTITY = "Identity"
OPERATIONS: Mapping[str, Operation] = {
    IDENTITY: Operation(lambda images, number: images),
    "ShearX": Operation(_shear(True), _up_to(0.3), signed=True),
    "ShearY": Operation(_shear(False), _up_to(0.3), signed=True),
    "TranslateX": Operation(
        _translate(True), lambda h, w: torch.linspace(0.0, 150.0 / 331.0 * w, STRONGEST + 1), signed=True
    ),
    "TranslateY": Operation(
        _translate(False), lambda h, w: torch.linspace(0.0, 150.0 / 331.0 * h, STRONGEST + 1), signed=True
    ),
    "Rotate": Operation(_kernel("rotate"), _up_to(30.0), signed=True),
    "Brightness": Operation(_kernel("adjust_brightness", _factor), _up_to(0.9), signed=True),
    "Color": Operation(_kernel("adjust_saturation", _factor), _up_to(0.9), signed=True),
    "Contrast": Operation(_kernel("adjust_contrast", _factor), _up_to(0.9), signed=True),
    "Sharpness": Operation(_kernel("adjust_sharpness", _factor), _up_to(0.9), signed=True),
    "Posterize": Operation(
        _kernel("posterize", round), lambda h, w: (8 - torch.arange(STRONGEST + 1) / (STRONGEST / 4)).round()
    ),
    "Solarize": Operation(
        _kernel("solarize", lambda share: 255 * share), lambda h, w: torch.linspace(1.0, 0.0, STRONGEST + 1)
    ),
    "AutoContrast": Operation(_kernel_alone("autocontrast")),
    "Equalize": Operation(_kernel_alone("equalize")),
}
"""The operations in torchvision's order. Pixels from outside an image are black, and there is no interpolation."""

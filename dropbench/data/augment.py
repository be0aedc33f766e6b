"""Image augmentation by torchvision's kernels, with parameters from the run's own stream of random numbers.

torchvision's random transforms draw one set of parameters for a whole batch from torch's global generator. Here each
example has parameters of its own from the stream `augment`. So there is no global state, arms of one seed see the same
augmented images, and examples that share a parameter still go through a kernel together.

Applied to images on their raw scale 0..1, before normalising: pixels from outside the image are 0, black.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil, log

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from dropbench.data._torchvision import kernels
from dropbench.data.raw_draws import RawDraws, below, unit
from dropbench.errors import UsageError
from dropbench.spec import Augment

# Defaults of v2.RandomErasing: share of the image that is erased, height / width of the rectangle, tries until one fits.
_SCALE, _RATIO, _TRIES = (0.02, 0.33), (0.3, 3.3), 10

DRAWS = 7 + 2 * _TRIES
"""Raw draws that an example takes, whatever is switched on: no example's draw depends on another's, nor on the setting."""


@dataclass(frozen=True)
class Draws:
    """What is done to each of n examples, in this order; every tensor is [n], on the CPU.

    Attributes
    ----------
    dy, dx : Tensor
        Pixels that the frame moves down and right, int64 in -crop..crop.
    flip : Tensor
        Whether left and right are swapped, bool.
    angle : Tensor
        Rotation in degrees, counter-clockwise, float64.
    top, left, height, width : Tensor
        The erased rectangle in pixels, int64; height is 0 where nothing is erased.
    """

    dy: Tensor
    dx: Tensor
    flip: Tensor
    angle: Tensor
    top: Tensor
    left: Tensor
    height: Tensor
    width: Tensor


def check(augment: Augment, data_name: str, axes: str) -> None:
    """Checks that augmentation is asked for on images only.

    Raises
    ------
    UsageError
        Where it is asked for on other data.
    """
    if augment and axes != "CHW":
        raise UsageError(f"train.augment works on images, and data '{data_name}' is none (axes {axes}): leave it out")


def parameters(augment: Augment, n: int, height: int, width: int, raw: RawDraws) -> Draws:
    """Draws for n examples of height x width pixels; takes n * DRAWS raw draws.

    The distributions are those of RandomCrop(size, padding=crop), RandomHorizontalFlip(flip), RandomRotation(rotation)
    and RandomErasing(erase), but that angles are one of 2 * ceil(rotation) + 1 evenly spaced: whole degrees for a whole
    `rotation`. Two settings under the same raw draws share what they have in common.
    """
    w = raw(n * DRAWS).reshape(n, DRAWS)
    steps = ceil(augment.rotation)
    angle = (below(w[:, 3], 2 * steps + 1) - steps) * (augment.rotation / max(steps, 1))
    tall, wide = _rectangles(unit(w[:, 7::2]), unit(w[:, 8::2]), height, width)
    erased = unit(w[:, 4]) < augment.erase
    draws = (
        below(w[:, 0], 2 * augment.crop + 1) - augment.crop,
        below(w[:, 1], 2 * augment.crop + 1) - augment.crop,
        unit(w[:, 2]) < augment.flip,
        angle,
        _place(w[:, 5], height - tall + 1),
        _place(w[:, 6], width - wide + 1),
        tall * erased,
        wide * erased,
    )
    return Draws(*(torch.from_numpy(d) for d in draws))


def apply(x: Tensor, draws: Draws) -> Tensor:
    """Images x [n, C, H, W] in 0..1, cropped, flipped, rotated and erased as `draws` say; x itself where nothing is done."""
    return _erase(_rotate(_flip(_crop(x, draws), draws), draws), draws)


def _rectangles(
    area: NDArray[np.float64], shape: NDArray[np.float64], height: int, width: int
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Heights and widths [n] of the first rectangle of the tries [n, _TRIES] that fits into the image; 0 where none does."""
    area = (_SCALE[0] + (_SCALE[1] - _SCALE[0]) * area) * (height * width)
    ratio = np.exp(log(_RATIO[0]) + (log(_RATIO[1]) - log(_RATIO[0])) * shape)
    tall, wide = np.rint(np.sqrt(area * ratio)).astype(np.int64), np.rint(np.sqrt(area / ratio)).astype(np.int64)
    fits = (tall < height) & (wide < width)
    first, some = fits.argmax(axis=1)[:, None], fits.any(axis=1)
    return np.take_along_axis(tall, first, 1)[:, 0] * some, np.take_along_axis(wide, first, 1)[:, 0] * some


def _place(raw: NDArray[np.uint64], room: NDArray[np.int64]) -> NDArray[np.int64]:
    """Uniform whole numbers in 0..room-1, each example with its own `room`."""
    return np.floor(unit(raw) * room).astype(np.int64)


def _crop(x: Tensor, draws: Draws) -> Tensor:
    """Pads all images with zeros, then cuts each example's own frame out: one pad and one gather for all."""
    most = int(torch.maximum(draws.dy.abs().max(), draws.dx.abs().max()))
    if most == 0:
        return x
    n, channels, height, width = x.shape
    padded: Tensor = kernels().pad(x, [most])
    rows = (draws.dy[:, None] + torch.arange(most, most + height)).to(x.device)
    columns = (draws.dx[:, None] + torch.arange(most, most + width)).to(x.device)
    examples = torch.arange(n, device=x.device).view(n, 1, 1, 1)
    planes = torch.arange(channels, device=x.device).view(1, channels, 1, 1)
    return padded[examples, planes, rows[:, None, :, None], columns[:, None, None, :]]


def _flip(x: Tensor, draws: Draws) -> Tensor:
    if not draws.flip.any():
        return x
    return torch.where(draws.flip.to(x.device).view(-1, 1, 1, 1), kernels().horizontal_flip(x), x)


def _rotate(x: Tensor, draws: Draws) -> Tensor:
    """Rotates, the examples of one angle together. Bilinear, because RandomRotation's `nearest` tears thin strokes."""
    angles = [a for a in draws.angle.unique().tolist() if a != 0]
    if not angles:
        return x
    rotated = x.clone()
    for angle in angles:
        rows = (draws.angle == angle).nonzero()[:, 0].to(x.device)
        rotated[rows] = kernels().rotate(x[rows], angle, interpolation="bilinear")
    return rotated


def _erase(x: Tensor, draws: Draws) -> Tensor:
    if not draws.height.any():
        return x
    rows = _between(draws.top, draws.height, x.shape[-2])[:, None, :, None]
    columns = _between(draws.left, draws.width, x.shape[-1])[:, None, None, :]
    return x.masked_fill((rows & columns).to(x.device), 0)


def _between(start: Tensor, length: Tensor, n: int) -> Tensor:
    """Which of 0..n-1 lie in start..start+length-1: [len(start), n] bool."""
    at = torch.arange(n)
    return (at >= start[:, None]) & (at < (start + length)[:, None])

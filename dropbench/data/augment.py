"""Image augmentation by torchvision's kernels, with parameters from the run's own random stream.

torchvision's random transforms draw one set of parameters for a whole batch from torch's global generator. Here each example
has its own parameters from the stream `augment`. So there is no global state, and the arms of a seed see the same augmented
images. Examples that share a parameter still go through a kernel together.

Augmentation acts on the raw scale 0..1, before normalising: pixels from outside the image are 0, black.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from math import ceil, cos, log, radians, sin

import numpy as np
import torch
import torch.nn.functional as F
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray
from torch import Tensor

from dropbench.data._torchvision import kernels
from dropbench.data.raw_draws import RawDraws, below, unit
from dropbench.errors import UsageError
from dropbench.spec import Augment

# Defaults of v2.RandomErasing: the erased share of the image, height / width of the rectangle, number of tries to fit it.
_SCALE, _RATIO, _TRIES = (0.02, 0.33), (0.3, 3.3), 10

DRAWS = 7 + 2 * _TRIES
"""Number of raw draws per example. It does not depend on the settings, so neither do an example's draws."""


@dataclass(frozen=True)
class Draws:
    """The augmentation of each of n examples, in this order; every tensor is [n], on the CPU.

    Attributes
    ----------
    dy, dx : Tensor
        Shift of the frame down and to the right in pixels, int64 in -crop..crop.
    flip : Tensor
        Whether left and right are swapped, bool.
    angle : Tensor
        Rotation in degrees, counter-clockwise, float64.
    top, left, height, width : Tensor
        The erased rectangle in pixels, int64; height is 0 if nothing is erased.
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
    """Checks that augmentation is used only on images.

    Raises
    ------
    UsageError
        If it is set for other data.
    """
    if augment and axes != "CHW":
        raise UsageError(
            f"train.augment works only on images, but data '{data_name}' are not images (axes {axes}): remove train.augment"
        )


def parameters(augment: Augment, n: int, height: int, width: int, raw: RawDraws) -> Draws:
    """Returns the augmentation of n examples of height x width pixels; takes n * DRAWS raw draws.

    The distributions are those of RandomCrop(size, padding=crop), RandomHorizontalFlip(flip), RandomRotation(rotation) and
    RandomErasing(erase), except that there are only 2 * ceil(rotation) + 1 evenly spaced angles: whole degrees for a whole
    `rotation`. Two settings with the same raw draws give the same result for the options that they share.
    """
    w = raw(n * DRAWS).reshape(n, DRAWS)
    none = np.zeros(n, np.int64)
    steps = ceil(augment.rotation)
    top, left, tall, wide = _erased(w, augment.erase, height, width) if augment.erase else (none, none, none, none)
    draws = (
        *((below(w[:, axis], 2 * augment.crop + 1) - augment.crop if augment.crop else none) for axis in (0, 1)),
        unit(w[:, 2]) < augment.flip,
        (below(w[:, 3], 2 * steps + 1) - steps) * (augment.rotation / max(steps, 1)),
        *(top, left, tall, wide),
    )
    return Draws(*(torch.from_numpy(d) for d in draws))


def apply(x: Tensor, draws: Draws) -> Tensor:
    """Crops, flips, rotates and erases images x [n, C, H, W] in 0..1; returns x itself if nothing is done."""
    return _erase(_rotate(_flip(_crop(x, draws), draws), draws), draws)


def _erased(w: NDArray[np.uint64], chance: float, height: int, width: int) -> tuple[NDArray[np.int64], ...]:
    """Top, left, height and width [n] of what is erased of each example, from its raw draws [n, DRAWS]."""
    tall, wide = _rectangles(unit(w[:, 7::2]), unit(w[:, 8::2]), height, width)
    erased = unit(w[:, 4]) < chance
    return _place(w[:, 5], height - tall + 1), _place(w[:, 6], width - wide + 1), tall * erased, wide * erased


def _rectangles(
    area: NDArray[np.float64], shape: NDArray[np.float64], height: int, width: int
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Returns heights and widths [n] of the first rectangle of the tries [n, _TRIES] that fits; 0 if none does."""
    area = (_SCALE[0] + (_SCALE[1] - _SCALE[0]) * area) * (height * width)
    ratio = np.exp(log(_RATIO[0]) + (log(_RATIO[1]) - log(_RATIO[0])) * shape)
    tall, wide = np.rint(np.sqrt(area * ratio)).astype(np.int64), np.rint(np.sqrt(area / ratio)).astype(np.int64)
    fits = (tall < height) & (wide < width)
    first, some = fits.argmax(axis=1)[:, None], fits.any(axis=1)
    return np.take_along_axis(tall, first, 1)[:, 0] * some, np.take_along_axis(wide, first, 1)[:, 0] * some


def _place(raw: NDArray[np.uint64], room: NDArray[np.int64]) -> NDArray[np.int64]:
    """Returns uniform integers in 0..room-1, each example with its own `room`."""
    return np.floor(unit(raw) * room).astype(np.int64)


def _crop(x: Tensor, draws: Draws) -> Tensor:
    """Pads all images with zeros, then cuts each example's own frame out."""
    most = int(torch.maximum(draws.dy.abs().max(), draws.dx.abs().max()))
    if most == 0:
        return x
    n, channels, height, width = x.shape
    padded = F.pad(x, [most] * 4)
    if x.device.type == "cpu":  # NumPy copies a whole frame at a time, torch gathers number by number
        frames = sliding_window_view(padded.numpy(), (height, width), (2, 3))
        return torch.from_numpy(frames[np.arange(n), :, draws.dy.numpy() + most, draws.dx.numpy() + most])
    rows = (draws.dy[:, None] + torch.arange(most, most + height)).to(x.device)
    columns = (draws.dx[:, None] + torch.arange(most, most + width)).to(x.device)
    examples = torch.arange(n, device=x.device).view(n, 1, 1, 1)
    planes = torch.arange(channels, device=x.device).view(1, channels, 1, 1)
    return padded[examples, planes, rows[:, None, :, None], columns[:, None, None, :]]


def _flip(x: Tensor, draws: Draws) -> Tensor:
    rows = draws.flip.nonzero()[:, 0].to(x.device)
    return x.index_copy(0, rows, x[rows].flip(-1)) if len(rows) else x


def _rotate(x: Tensor, draws: Draws) -> Tensor:
    """Rotates all at once, by the grids of their angles. Bilinear, because RandomRotation's `nearest` tears thin strokes."""
    angles = draws.angle.tolist()
    turned = [i for i, angle in enumerate(angles) if angle % 90]
    quarters = [i for i, angle in enumerate(angles) if angle and not angle % 90]
    if turned:
        rows = torch.tensor(turned, device=x.device)
        grids = torch.cat([_grid(angles[i], x.shape[-2], x.shape[-1], x.device) for i in turned])
        rotated = F.grid_sample(x[rows], grids, mode="bilinear", padding_mode="zeros", align_corners=False)
        x = x.index_copy(0, rows, rotated)
    for i in quarters:  # torchvision turns some of these without a grid
        row = torch.tensor([i], device=x.device)
        x = x.index_copy(0, row, kernels().rotate(x[row], angles[i], interpolation="bilinear"))
    return x


@lru_cache(maxsize=64)
def _grid(angle: float, height: int, width: int, device: torch.device) -> Tensor:
    """Where each pixel of a rotated image comes from, [1, H, W, 2], to the last bit as torchvision's `rotate` has it."""
    turn = radians(-(angle % 360))
    theta = torch.tensor([[cos(turn), sin(turn), 0.0], [-sin(turn), cos(turn), 0.0]], device=device)
    places = torch.ones(1, height, width, 3, device=device)
    places[..., 0] = torch.linspace((1.0 - width) * 0.5, (width - 1.0) * 0.5, width, device=device)
    places[..., 1] = torch.linspace((1.0 - height) * 0.5, (height - 1.0) * 0.5, height, device=device)[:, None]
    scaled = theta[None].transpose(1, 2).div_(torch.tensor([0.5 * width, 0.5 * height], device=device))
    return places.view(1, height * width, 3).bmm(scaled).view(1, height, width, 2)


def _erase(x: Tensor, draws: Draws) -> Tensor:
    if not draws.height.any():
        return x
    if x.device.type == "cpu":  # a rectangle at a time: NumPy fills one in less than a microsecond
        erased = x.clone()
        images = erased.numpy()
        places = (t.tolist() for t in (draws.top, draws.left, draws.height, draws.width))
        for image, top, left, tall, wide in zip(images, *places, strict=True):
            image[:, top : top + tall, left : left + wide] = 0
        return erased
    rows = _between(draws.top, draws.height, x.shape[-2])[:, None, :, None]
    columns = _between(draws.left, draws.width, x.shape[-1])[:, None, None, :]
    return x.masked_fill((rows & columns).to(x.device), 0)


def _between(start: Tensor, length: Tensor, n: int) -> Tensor:
    """Returns which of 0..n-1 lie in start..start+length-1: [len(start), n] bool."""
    at = torch.arange(n)
    return (at >= start[:, None]) & (at < (start + length)[:, None])

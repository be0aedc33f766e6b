"""Boxes in images, for every form in which a model receives an image."""

from __future__ import annotations

import torch
from torch import Tensor

from dropbench.regularizers.base import Given


def inside(top: Tensor, bottom: Tensor, left: Tensor, right: Tensor, given: Given) -> Tensor:
    """Returns which numbers of an example lie in a box of its image: bool, broadcasting over [K, B, *given.shape].

    Parameters
    ----------
    top, bottom, left, right : Tensor
        [K, B] or [K, 1] int64. The box has rows top to bottom - 1 and columns left to right - 1 of all channels.
    given : Given
        The size of the images and the form in which the model receives them.
    """
    assert given.image is not None
    channels, height, width = given.image
    rows, columns = _between(top, bottom, height), _between(left, right, width)
    box = (rows[..., :, None] & columns[..., None, :])[:, :, None]  # [K, B, 1, H, W]
    if given.view == "image":
        return box
    whole = box.expand(-1, -1, channels, -1, -1)
    # As a sequence, an image has one step per row of pixels, which holds the columns of all channels.
    return whole.movedim(2, 3).flatten(3) if given.view == "sequence" else whole.flatten(2)


def centres(u: Tensor, size: int) -> Tensor:
    """Returns uniformly distributed places 0..size-1 from u uniform in [0, 1)."""
    return (u * size).long().clamp(max=size - 1)


def _between(start: Tensor, stop: Tensor, size: int) -> Tensor:
    at = torch.arange(size, device=start.device)
    return (at >= start[..., None]) & (at < stop[..., None])

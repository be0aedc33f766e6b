"""Boxes in images, however a model sees them."""

from __future__ import annotations

import torch
from torch import Tensor

from dropbench.regularizers.base import Given


def inside(top: Tensor, bottom: Tensor, left: Tensor, right: Tensor, given: Given) -> Tensor:
    """Which numbers of an example lie in a box of an image, bool, shaped to broadcast over [K, B, *given.shape].

    Parameters
    ----------
    top, bottom, left, right : Tensor
        [K, B] or [K, 1] int64: rows top to bottom - 1 and columns left to right - 1, of all channels.
    given : Given
        Tells the size of the images, and how the model sees them.
    """
    assert given.image is not None
    channels, height, width = given.image
    rows, columns = _between(top, bottom, height), _between(left, right, width)
    box = (rows[..., :, None] & columns[..., None, :])[:, :, None]  # [K, B, 1, H, W]
    if given.view == "image":
        return box
    whole = box.expand(-1, -1, channels, -1, -1)
    # A sequence has a step for each row of pixels, with the columns of all channels.
    return whole.movedim(2, 3).flatten(3) if given.view == "sequence" else whole.flatten(2)


def centres(u: Tensor, size: int) -> Tensor:
    """Places 0..size-1, each as likely, from u uniform in [0, 1)."""
    return (u * size).long().clamp(max=size - 1)


def _between(start: Tensor, stop: Tensor, size: int) -> Tensor:
    at = torch.arange(size, device=start.device)
    return (at >= start[..., None]) & (at < stop[..., None])

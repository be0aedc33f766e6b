"""Brings examples of another data set to the shape of a run's own, to test a model on unfamiliar data."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from dropbench.data.base import Table
from dropbench.errors import UsageError

_GREY = (0.299, 0.587, 0.114)  # weights of red, green and blue in ITU-R BT.601


def fitted(foreign: Table, table: Table) -> Tensor:
    """Converts examples of `foreign` to raw examples of `table`: [n, *table.shape].

    They are the official test rows, or all rows if there are none. Images are resized (bilinear, antialiased) and converted
    to grey or colour as needed. Other examples must already have the same shape.

    Raises
    ------
    UsageError
        If the examples cannot be brought to this shape.
    """
    if table.prepared is not None or foreign.prepared is not None:
        raise UsageError(
            f"data '{foreign.name}' cannot be used against data '{table.name}': the columns of the two tables have different "
            f"meanings; remove '{foreign.name}'"
        )
    x = foreign.x if foreign.test is None else foreign.x[foreign.test]
    if not (x.is_floating_point() and table.x.is_floating_point()):
        raise UsageError(
            f"data '{foreign.name}' cannot be used against data '{table.name}': both must be numbers, not words or "
            f"graphs; remove '{foreign.name}'"
        )
    if table.axes == foreign.axes == "CHW" and (fit := _image(x, table.shape)) is not None:
        return fit
    if x.shape[1:] != table.shape or foreign.axes != table.axes:
        raise UsageError(
            f"data '{foreign.name}' has examples of {_told(foreign)}, which do not fit those of data '{table.name}', "
            f"{_told(table)}; choose data of the same kind, or noise"
        )
    return x


def _image(x: Tensor, shape: tuple[int, ...]) -> Tensor | None:
    """Converts images x [n, C, H, W] to the shape (C, H, W); None if C changes, except between 1 (grey) and 3 (colour)."""
    channels, *sides = shape
    if x.shape[1] != channels:
        if {x.shape[1], channels} != {1, 3}:
            return None
        x = x.expand(-1, 3, -1, -1) if channels == 3 else torch.einsum("nchw,c->nhw", x, torch.tensor(_GREY))[:, None]
    if list(x.shape[2:]) != sides:
        x = F.interpolate(x, size=sides, mode="bilinear", antialias=True)
    return x


def _told(table: Table) -> str:
    return f"shape {'x'.join(map(str, table.shape))} ({table.axes})"

"""Layers for the columns of a table: the encoding of categories, and a scale for each input."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import torch
from torch import Tensor, nn

from dropbench.nn.init import Draw
from dropbench.nn.pace import Pace
from dropbench.nn.product import affine

_FEW = 8
"""Categories up to this many levels stay one-hot. pytabkit's limit of 9 includes a level for unknown values."""
_SIZE = 8
"""The size of the embedding of a category with more levels."""


class Categories(nn.Module):
    """Encodes one-hot categories [K, B, sum(levels)] as RealMLP does: [K, B, outputs].

    Two levels become one input, -1 or 1 (0 for an unknown value); up to eight stay one-hot; more are embedded, with eight
    learned numbers per level.

    Parameters
    ----------
    replicas : int
        K.
    levels : sequence of int
        Number of levels of each category, in order.

    References
    ----------
    Holzmüller, Grinsztajn, Steinwart 2024 (arXiv:2407.04491), section 3.
    """

    def __init__(self, replicas: int, levels: Sequence[int]) -> None:
        super().__init__()
        self.levels = list(levels)
        many = [n for n in levels if n > _FEW]
        self.tables = nn.ParameterList(torch.empty(replicas, n, _SIZE) for n in many)
        self.outputs = sum(1 if n == 2 else _SIZE if n > _FEW else n for n in levels)

    @torch.no_grad()
    def reset(self, draw: Draw) -> None:
        """Draws the embeddings, standard normal."""
        for table in self.tables:
            table.copy_(draw.normal(tuple(table.shape[1:])))

    def forward(self, x: Tensor) -> Tensor:
        """Maps x [K, B, sum(levels)] to [K, B, outputs]."""
        tables = iter(self.tables)
        return torch.cat([self._one(category, tables) for category in x.split(self.levels, -1)], -1)

    @staticmethod
    def _one(x: Tensor, tables: Iterator[Tensor]) -> Tensor:
        levels = x.shape[-1]
        if levels == 2:
            return x[..., 1:] - x[..., :1]
        if levels <= _FEW:
            return x
        table = next(tables)
        # If one level's input is 1, the product is that level's row; if none is, it is zero.
        return affine(x, table, torch.zeros_like(table[:, :1]))


class Scale(nn.Module):
    """Multiplies each input by its own learned number, which starts at 1: x [K, B, F] to the same shape.

    Parameters
    ----------
    replicas, inputs : int
        K and F.

    References
    ----------
    Holzmüller, Grinsztajn, Steinwart 2024 (arXiv:2407.04491), section 3.
    """

    def __init__(self, replicas: int, inputs: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(replicas, 1, inputs))
        self.paces: dict[str, Pace] = {}

    @torch.no_grad()
    def reset(self, draw: Draw) -> None:
        """Sets every number to one; nothing is drawn."""
        self.weight.fill_(1)

    def forward(self, x: Tensor) -> Tensor:
        """Maps x [K, B, F] to the same shape."""
        return x * self.weight

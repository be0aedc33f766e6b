"""The embedding of words."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from dropbench.nn.init import Draw


def lookup(ids: Tensor, table: Tensor) -> Tensor:
    """Looks up the rows `ids` [K, B, T] int64, in 0..V-1, of `table` [K, V, F]: [K, B, T, F]."""
    k, v, _ = table.shape
    # The K tables are treated as one table [K V, F], in which the rows of replica k start at k V.
    offset = torch.arange(0, k * v, v, device=ids.device).view(-1, 1, 1)
    return F.embedding(ids + offset, table.flatten(0, 1))


class Embedding(nn.Module):
    """K embedding tables [V, F].

    Parameters
    ----------
    replicas, words, features : int
        K, V and F.
    scale : float
        Standard deviation of the normal initial weights.
    """

    def __init__(self, replicas: int, words: int, features: int, scale: float = 1.0) -> None:
        super().__init__()
        self.scale = scale
        self.weight = nn.Parameter(torch.empty(replicas, words, features))
        self.incoming: dict[str, tuple[int, ...]] = {}
        """Empty, since a word is looked up and not added to others. A model that also uses the table as weights changes it."""

    @torch.no_grad()
    def reset(self, draw: Draw) -> None:
        """Draws the initial rows."""
        self.weight.copy_(draw.normal(tuple(self.weight.shape[1:])).mul_(self.scale))

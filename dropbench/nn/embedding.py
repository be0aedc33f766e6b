"""The embedding of words."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from dropbench.nn.init import Draw


def lookup(ids: Tensor, table: Tensor) -> Tensor:
    """Rows of `table` [K, V, F] for `ids` [K, B, T] in 0..V-1: [K, B, T, F]."""
    k, v, _ = table.shape
    # The tables one under the other are one table, and a replica's ids are moved to its own.
    offset = torch.arange(0, k * v, v, device=ids.device).view(-1, 1, 1)
    return F.embedding(ids + offset, table.flatten(0, 1))


class Embedding(nn.Module):
    """K tables of `words` rows; rows start normal with standard deviation `scale`."""

    def __init__(self, replicas: int, words: int, features: int, scale: float = 1.0) -> None:
        super().__init__()
        self.scale = scale
        self.weight = nn.Parameter(torch.empty(replicas, words, features))

    @torch.no_grad()
    def reset(self, draw: Draw) -> None:
        self.weight.copy_(draw.normal(tuple(self.weight.shape[1:])).mul_(self.scale))

"""Standardises numeric targets by the training examples of each seed; predictions are converted back to their own unit."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
import torch
from torch import Tensor

from dropbench.data.base import Table
from dropbench.data.split import Split


@dataclass(frozen=True)
class TargetScale:
    """The mean `centre` and (population) standard deviation `spread` of each seed's training targets, float32 [S, 1]."""

    centre: Tensor
    spread: Tensor

    @classmethod
    def of(cls, table: Table, splits: Sequence[Split], device: torch.device) -> Self | None:
        """Returns the scale for the splits of a table's seeds, or None if its targets are not numbers.

        If all targets are equal, the spread is 1 instead of 0.
        """
        if table.task != "regress":
            return None
        targets = [s.labels.numpy().astype(np.float64) for s in splits]
        centre = torch.tensor([y.mean() for y in targets], dtype=torch.float32)
        spread = torch.tensor([y.std() or 1.0 for y in targets], dtype=torch.float32)
        return cls(centre[:, None].to(device), spread[:, None].to(device))

    def __getitem__(self, seeds: Tensor) -> TargetScale:
        """Returns the scale of these seeds, [n] int64."""
        return TargetScale(self.centre[seeds], self.spread[seeds])

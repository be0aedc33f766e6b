"""Targets that are numbers, standardised by the training examples of each seed and told in their own unit."""

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
    """centre, spread: [S, 1] float32, mean and (population) standard deviation of the training targets of each seed."""

    centre: Tensor
    spread: Tensor

    @classmethod
    def of(cls, table: Table, splits: Sequence[Split], device: torch.device) -> Self | None:
        """Of the splits of a table's seeds; None where it has classes. A spread of 0, of equal targets, is told as 1."""
        if table.task != "regress":
            return None
        targets = [s.labels.numpy().astype(np.float64) for s in splits]
        centre = torch.tensor([y.mean() for y in targets], dtype=torch.float32)
        spread = torch.tensor([y.std() or 1.0 for y in targets], dtype=torch.float32)
        return cls(centre[:, None].to(device), spread[:, None].to(device))

    def __getitem__(self, seeds: Tensor) -> TargetScale:
        """Of these seeds, [n] int64."""
        return TargetScale(self.centre[seeds], self.spread[seeds])

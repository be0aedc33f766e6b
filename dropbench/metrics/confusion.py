"""The confusion matrix, from which several scores are computed."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

Counts = NDArray[np.int64]


def confusion(logits: Tensor, targets: Tensor) -> Counts:
    """Returns how many examples of class i (row) have their largest logit at class j (column): [K, C, C].

    Counts are exact, so scores computed from one replica's counts are the same alone and in any stack.

    Parameters
    ----------
    logits : Tensor
        [K, n, C].
    targets : Tensor
        [K, n] int64, in 0..C-1.
    """
    replicas, _, classes = logits.shape
    cell = targets * classes + logits.argmax(-1)
    cell += torch.arange(replicas, device=cell.device)[:, None] * classes**2
    counts = torch.bincount(cell.flatten().cpu(), minlength=replicas * classes**2)
    return counts.view(replicas, classes, classes).numpy()

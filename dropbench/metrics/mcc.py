"""Matthews correlation coefficient."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from dropbench.metrics.confusion import Counts, confusion


def mcc(logits: Tensor, targets: Tensor) -> Tensor:
    """Returns the correlation of predictions and targets, in -1..1, for any number of classes; 0 is chance: [K].

    It is 0 if all predictions, or all targets, are of one class. Same as `sklearn.metrics.matthews_corrcoef`.

    Parameters
    ----------
    logits : Tensor
        [K, n, C].
    targets : Tensor
        [K, n] int64.

    References
    ----------
    Matthews 1975; Gorodkin 2004 for more than two classes, "Comparing two K-category assignments by a K-category correlation
    coefficient".
    """
    return torch.tensor([_one(counts) for counts in confusion(logits, targets)], dtype=torch.float64)


def _one(counts: Counts) -> float:
    """Computes it for one replica with Python's integers, since products of four counts can exceed 64 bits."""
    n, right = int(counts.sum()), int(counts.trace())
    answers, targets = counts.sum(0).tolist(), counts.sum(1).tolist()
    together = n * right - sum(a * t for a, t in zip(answers, targets, strict=True))
    spread = (n * n - sum(a * a for a in answers)) * (n * n - sum(t * t for t in targets))
    return together / math.sqrt(spread) if spread else 0.0

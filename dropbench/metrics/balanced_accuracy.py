"""Balanced accuracy."""

from __future__ import annotations

import torch
from torch import Tensor

from dropbench.metrics.confusion import Counts, confusion


def balanced_accuracy(logits: Tensor, targets: Tensor) -> Tensor:
    """Returns the mean over classes of the share of their examples that are predicted correctly, in 0..1: [K].

    Always predicting the same class gives 1 / C, however frequent that class is. A class without an example among the
    targets is left out of the mean. Same as `sklearn.metrics.balanced_accuracy_score`.

    Parameters
    ----------
    logits : Tensor
        [K, n, C].
    targets : Tensor
        [K, n] int64.

    References
    ----------
    Brodersen et al. 2010, "The balanced accuracy and its posterior distribution".
    """
    return torch.tensor([_one(counts) for counts in confusion(logits, targets)], dtype=torch.float64)


def _one(counts: Counts) -> float:
    examples = counts.sum(1)
    there = examples > 0
    return float((counts.diagonal()[there] / examples[there]).mean())

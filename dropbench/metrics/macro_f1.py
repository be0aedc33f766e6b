"""Macro F1."""

from __future__ import annotations

import torch
from torch import Tensor

from dropbench.metrics.confusion import Counts, confusion


def macro_f1(logits: Tensor, targets: Tensor) -> Tensor:
    """Returns the mean over classes of F1, the harmonic mean of precision and recall, in 0..1: [K].

    A class that occurs neither among the targets nor among the predictions is left out of the mean. A class without a
    correct prediction counts as 0. Same as `sklearn.metrics.f1_score(average="macro")`.

    Parameters
    ----------
    logits : Tensor
        [K, n, C].
    targets : Tensor
        [K, n] int64.

    References
    ----------
    Opitz & Burst 2019 (arXiv:1911.03347) show that it is not the harmonic mean of mean precision and mean recall.
    """
    return torch.tensor([_one(counts) for counts in confusion(logits, targets)], dtype=torch.float64)


def _one(counts: Counts) -> float:
    either = counts.sum(0) + counts.sum(1)
    there = either > 0
    return float((2 * counts.diagonal()[there] / either[there]).mean())

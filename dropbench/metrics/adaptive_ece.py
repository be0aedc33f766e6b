"""Expected calibration error over bins of equally many examples."""

from __future__ import annotations

import torch
from torch import Tensor

from dropbench.metrics.ece import Bins, answers


def adaptive_ece(logits: Tensor, targets: Tensor, *, bins: Bins = 15) -> Tensor:
    """The calibration error of `ece` with bins of equally many examples (or one more or less), in 0..1: [K].

    A trained network is confident of nearly everything, so that of equal intervals of confidence the last one holds most
    examples. Bins of equally many examples tell these apart.

    Where a bin ends among examples of the same confidence, it does not matter which of them it takes: each of them counts as
    right by the share of them that is right.

    Parameters
    ----------
    logits : Tensor
        [K, n, C].
    targets : Tensor
        [K, n] int64.
    bins : int
        Bins, from the least to the most confident examples.

    References
    ----------
    Nguyen and O'Connor 2015 (arXiv:1508.05154). Nixon et al. 2019 (arXiv:1904.01685) have such bins as well, but measure the
    probabilities of all classes, and this only the answer's.
    """
    pairs = zip(logits.unbind(0), targets.unbind(0), strict=True)
    return torch.stack([_one(*answers(*pair), bins) for pair in pairs])


def _one(confidence: Tensor, right: Tensor, bins: int) -> Tensor:
    n = len(confidence)
    _, inverse, counts = confidence.unique(return_inverse=True, return_counts=True)  # sorted
    shares = torch.bincount(inverse, right) / counts
    distances = torch.sort(confidence).values - shares.repeat_interleave(counts)
    fallen = torch.arange(n) * bins // n
    return torch.bincount(fallen, distances, bins).abs().sum() / n

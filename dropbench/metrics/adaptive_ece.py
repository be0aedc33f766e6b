"""Expected calibration error over bins with equal numbers of examples."""

from __future__ import annotations

import torch
from torch import Tensor

from dropbench.metrics.ece import Bins, answers


def adaptive_ece(logits: Tensor, targets: Tensor, *, bins: Bins = 15) -> Tensor:
    """Returns the calibration error of `ece` over bins whose numbers of examples differ by at most one, in 0..1: [K].

    A trained network is confident of nearly every prediction, so most examples fall into the last of several equal intervals
    of confidence. Bins with equal numbers of examples tell these examples apart.

    If a bin ends among examples of the same confidence, each of these counts as correct by the share of them that is
    correct. So it does not matter which of them the bin contains.

    Parameters
    ----------
    logits : Tensor
        [K, n, C].
    targets : Tensor
        [K, n] int64.
    bins : int
        Number of bins, from the least to the most confident examples.

    References
    ----------
    Nguyen and O'Connor 2015 (arXiv:1508.05154). Nixon et al. 2019 (arXiv:1904.01685) use the same bins, but for the
    probabilities of all classes instead of only that of the predicted class.
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

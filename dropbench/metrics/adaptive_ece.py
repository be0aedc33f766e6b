"""Expected calibration error over bins of equally many examples."""

from __future__ import annotations

import torch
from torch import Tensor

from dropbench.metrics.ece import Bins, answers


def adaptive_ece(logits: Tensor, targets: Tensor, *, bins: Bins = 15) -> Tensor:
    """As `ece`, in 0..1: [K], but with bins of equally many examples, to one, from the least to the most confident.

    A trained network is sure of nearly everything, so that of equal intervals the last holds most examples; these resolve it:
    Nguyen & O'Connor 2015 (arXiv:1508.05154). Nixon et al. 2019 (arXiv:1904.01685) have such bins too, but their measure takes
    in the probabilities of all classes, this one the answer's alone.

    Examples of one confidence are exchangeable: wherever a bin ends among them, each counts as right by their common share.
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

"""The area under the risk-coverage curve: the error rate of the kept predictions against the share that is kept."""

from __future__ import annotations

import torch
from torch import Tensor


def aurc(logits: Tensor, targets: Tensor) -> Tensor:
    """Returns the error rate of the most confident predictions, averaged over how many of them are kept, in 0..1: [K].

    Predictions are kept in the order of their largest probability; for equal probabilities the mean over all orders is
    taken. 0 means no errors.

    Parameters
    ----------
    logits : Tensor
        [K, n, C].
    targets : Tensor
        [K, n] int64.

    References
    ----------
    Geifman & El-Yaniv 2017 (arXiv:1705.08500) for the curve; Geifman, Uziel & El-Yaniv 2019 (arXiv:1805.08206) for its area.
    """
    return torch.stack([_one(p, y) for p, y in zip(logits, targets, strict=True)])


def _one(logits: Tensor, targets: Tensor) -> Tensor:
    confidence, answer = torch.log_softmax(logits.double(), -1).max(-1)
    wrong = (answer != targets).double()
    order = confidence.argsort(descending=True, stable=True)
    _, group, size = confidence[order].unique_consecutive(return_inverse=True, return_counts=True)
    # Of examples with equal probability, each gets their mean.
    mean = torch.zeros(len(size), dtype=torch.float64, device=wrong.device).index_add_(0, group, wrong[order]) / size
    kept = torch.arange(1, len(wrong) + 1, dtype=torch.float64, device=wrong.device)
    risk: Tensor = mean[group].cumsum(0) / kept
    return risk.mean()

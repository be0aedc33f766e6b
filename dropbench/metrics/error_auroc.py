"""Whether a network knows when it is wrong: the area under the ROC curve for detecting its errors by its confidence."""

from __future__ import annotations

import torch
from torch import Tensor

from dropbench.metrics.membership import auc


def error_auroc(logits: Tensor, targets: Tensor) -> Tensor:
    """Returns the probability that a correct prediction has more confidence than a wrong one, in 0..1: [K].

    0.5 is chance; equal confidences count half. If all predictions are correct, or none is, there is nothing to tell apart,
    and it is 0.5.

    Parameters
    ----------
    logits : Tensor
        [K, n, C]; any scores whose softmax is the probability.
    targets : Tensor
        [K, n] int64.

    References
    ----------
    Hendrycks & Gimpel 2017 (arXiv:1610.02136).
    """
    return torch.tensor([_one(p, y) for p, y in zip(logits, targets, strict=True)], dtype=torch.float64)


def _one(logits: Tensor, targets: Tensor) -> float:
    confidence, answer = torch.log_softmax(logits.double(), -1).max(-1)
    right = answer == targets
    if right.all() or not right.any():
        return 0.5
    return float(auc(confidence[~right], confidence[right]))

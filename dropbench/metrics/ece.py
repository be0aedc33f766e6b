"""Expected calibration error."""

from __future__ import annotations

from typing import Annotated

import torch
from annotated_types import Ge
from torch import Tensor

Bins = Annotated[int, Ge(1)]


def ece(logits: Tensor, targets: Tensor, *, bins: Bins = 15) -> Tensor:
    """Returns the distance of confidence from accuracy, in 0..1: [K].

    It is 0 if, for example, 70 % of the predictions made with 70 % confidence are correct. The confidence of a prediction is
    its softmax probability. Examples are sorted into equal intervals (a, b] of confidence. The distances between mean
    confidence and accuracy in each interval are averaged, weighted by the number of examples.

    Parameters
    ----------
    logits : Tensor
        [K, n, C].
    targets : Tensor
        [K, n] int64.
    bins : int
        Number of intervals of confidence.

    References
    ----------
    Guo et al. 2017 (arXiv:1706.04599), equation 3, with 15 bins.
    """
    pairs = zip(logits.unbind(0), targets.unbind(0), strict=True)
    return torch.stack([_one(*binned(*answers(*pair), bins)) for pair in pairs])


def answers(logits: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
    """Returns the confidence of one replica's predictions and whether they are correct (1 or 0), both [n] float64.

    It takes one replica at a time, because torch rounds the last numbers of a tensor differently, and a replica's result
    must not depend on its stack. It uses float64, because in float32 the confidences of a network that overfits would all
    round to 1, and the CPU, because not every accelerator has float64.
    """
    confidence, answer = logits.cpu().double().softmax(-1).max(-1)
    return confidence, (answer == targets.cpu()).double()


def binned(confidence: Tensor, right: Tensor, bins: int) -> tuple[Tensor, Tensor, Tensor]:
    """Returns for each interval the number of examples, the sum of their confidences and the number of correct ones.

    Each is [bins] float64; `confidence` and `right` are [n], as returned by `answers`.
    """
    fallen = torch.bucketize(confidence, torch.linspace(0, 1, bins + 1, dtype=torch.float64)[1:-1])
    examples = torch.bincount(fallen, minlength=bins).double()
    return examples, torch.bincount(fallen, confidence, bins), torch.bincount(fallen, right, bins)


def _one(examples: Tensor, confidence: Tensor, right: Tensor) -> Tensor:
    return (confidence - right).abs().sum() / examples.sum()

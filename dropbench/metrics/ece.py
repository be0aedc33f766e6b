"""Expected calibration error."""

from __future__ import annotations

from typing import Annotated

import torch
from annotated_types import Ge
from torch import Tensor

Bins = Annotated[int, Ge(1)]


def ece(logits: Tensor, targets: Tensor, *, bins: Bins = 15) -> Tensor:
    """How far confidence is from accuracy, in 0..1: [K]. 0 where of answers given with 70 % confidence 70 % are right.

    The confidence of an answer is its softmax probability. Examples fall into `bins` equal intervals (a, b] of confidence, and
    the distances between mean confidence and accuracy of each are averaged, weighted by examples: Guo et al. 2017
    (arXiv:1706.04599, equation 3), with their 15 bins.
    """
    pairs = zip(logits.unbind(0), targets.unbind(0), strict=True)
    return torch.stack([_one(*binned(*answers(*pair), bins)) for pair in pairs])


def answers(logits: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
    """The confidence of one replica's answers and whether they are right (1 or 0), both [n] float64, on the CPU.

    One replica at a time, because a softmax of several would finish in scalar code at another place; in float64, in which
    what overfits is not yet sure beyond telling apart. Not every accelerator has that.
    """
    confidence, answer = logits.cpu().double().softmax(-1).max(-1)
    return confidence, (answer == targets.cpu()).double()


def binned(confidence: Tensor, right: Tensor, bins: int) -> tuple[Tensor, Tensor, Tensor]:
    """Of each interval of confidence: its examples, the sum of their confidences, and how many are right, [bins] float64."""
    fallen = torch.bucketize(confidence, torch.linspace(0, 1, bins + 1, dtype=torch.float64)[1:-1])
    examples = torch.bincount(fallen, minlength=bins).double()
    return examples, torch.bincount(fallen, confidence, bins), torch.bincount(fallen, right, bins)


def _one(examples: Tensor, confidence: Tensor, right: Tensor) -> Tensor:
    return (confidence - right).abs().sum() / examples.sum()

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
    inner = torch.linspace(0, 1, bins + 1, dtype=torch.float64)[1:-1]
    return torch.stack(
        [_one(*answers(*pair), inner, bins) for pair in zip(logits.unbind(0), targets.unbind(0), strict=True)]
    )


def answers(logits: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
    """The confidence of one replica's answers and whether they are right (1 or 0), both [n] float64, on the CPU.

    One replica at a time, because a softmax of several would finish in scalar code at another place; in float64, in which
    what overfits is not yet sure beyond telling apart. Not every accelerator has that.
    """
    confidence, answer = logits.cpu().double().softmax(-1).max(-1)
    return confidence, (answer == targets.cpu()).double()


def _one(confidence: Tensor, right: Tensor, inner: Tensor, bins: int) -> Tensor:
    fallen = torch.bucketize(confidence, inner)
    distances = torch.bincount(fallen, confidence - right, bins)  # in a bin of m examples, m times its distance
    return distances.abs().sum() / len(confidence)

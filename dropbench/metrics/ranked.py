"""Examples ranked by their score for each class, from which AUROC and average precision are computed."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from torch import Tensor


@dataclass(frozen=True)
class Ranked:
    """The examples of one replica, ranked for each class from the highest to the lowest score, [C, n].

    Of two classes only the second has a row, since the order for the first is the reverse.

    Attributes
    ----------
    hit : NDArray[np.bool_]
        Whether the example at this place belongs to the class.
    first, last : NDArray[np.int64]
        The first and the last place, from 0, of the examples with the same score.
    """

    hit: NDArray[np.bool_]
    first: NDArray[np.int64]
    last: NDArray[np.int64]


def ranked(logits: Tensor, targets: Tensor) -> Iterator[Ranked | None]:
    """Yields the ranked examples of each replica, or None if one of its scores is NaN.

    The score is the probability of the class in float64. For two classes it is the difference of the logits, which has the
    same order and does not round to 1. Replicas are handled one at a time, because torch rounds the last numbers of a tensor
    differently, and a result must not depend on the stack.

    Parameters
    ----------
    logits : Tensor
        [K, n, C].
    targets : Tensor
        [K, n] int64, in 0..C-1.
    """
    for one, classes in zip(logits.cpu().double().numpy(), targets.cpu().numpy(), strict=True):
        two = one.shape[1] == 2
        with np.errstate(invalid="ignore"):  # infinite logits give NaN
            scores = one[:, 1:] - one[:, :1] if two else _softmax(one)
        yield None if np.isnan(scores).any() else _ranked(np.ascontiguousarray(scores.T), classes, 1 if two else 0)


def _softmax(logits: NDArray[np.float64]) -> NDArray[np.float64]:
    """Returns the softmax of [n, C], by numpy: its exponential takes a fifth of the time of torch's in float64."""
    powers: NDArray[np.float64] = np.exp(logits - logits.max(1, keepdims=True))
    powers /= powers.sum(1, keepdims=True)
    return powers


def _ranked(scores: NDArray[np.float64], targets: NDArray[np.int64], lowest: int) -> Ranked:
    """Ranks the examples; scores: [C, n], whose first row belongs to the class `lowest`."""
    classes, n = scores.shape
    order = np.argsort(-scores, axis=1)
    hit = targets[order] == np.arange(lowest, lowest + classes)[:, None]
    order += np.arange(classes)[:, None] * n
    ordered = scores.ravel()[order]
    differs = ordered[:, 1:] != ordered[:, :-1]
    place = np.arange(n)
    if differs.all():
        places = np.broadcast_to(place, (classes, n))
        return Ranked(hit, places, places)
    edge = np.ones((classes, 1), bool)
    first = np.maximum.accumulate(np.where(np.hstack([edge, differs]), place, 0), 1)
    last = np.minimum.accumulate(np.where(np.hstack([differs, edge]), place, n)[:, ::-1], 1)[:, ::-1]
    return Ranked(hit, first, last)

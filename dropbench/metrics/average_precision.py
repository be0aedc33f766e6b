"""Average precision."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from dropbench.metrics.ranked import Ranked, ranked


def average_precision(logits: Tensor, targets: Tensor) -> Tensor:
    """Returns the area under the curve of precision against recall, as a sum of steps, in 0..1: [K].

    For two classes it is the area for class 1, by convention the class of interest; chance is the share of that class. For
    more classes it is the mean over classes, each against the rest, without classes that have no example among the targets.
    It is 0 if class 1 of two has no example. Otherwise it equals `sklearn.metrics.average_precision_score(average="macro")`,
    which counts an absent class as 0.

    Parameters
    ----------
    logits : Tensor
        [K, n, C].
    targets : Tensor
        [K, n] int64.

    References
    ----------
    Davis & Goadrich 2006 show why the points of this curve must not be joined by straight lines.
    """
    return torch.tensor([_one(examples) for examples in ranked(logits, targets)], dtype=torch.float64)


def _one(examples: Ranked | None) -> float:
    if examples is None:
        return float("nan")
    of_class = examples.hit.sum(1)
    there = of_class > 0
    found = np.take_along_axis(examples.hit.cumsum(1), examples.last, 1)
    precision = (found / (examples.last + 1) * examples.hit).sum(1)
    return float((precision[there] / of_class[there]).mean()) if there.any() else 0.0

"""Area under the ROC curve."""

from __future__ import annotations

import torch
from torch import Tensor

from dropbench.metrics.ranked import Ranked, ranked


def auroc(logits: Tensor, targets: Tensor) -> Tensor:
    """How likely an example of a class is given a higher score for it than an example of another, in 0..1: [K].

    0.5 is chance; equal scores count half. Of more than two classes it is the mean over classes, each against the rest, and a
    class is left out that has no example among the targets. Where all targets are one class there is nothing to rank, and it
    is 0.5. As `sklearn.metrics.roc_auc_score(multi_class="ovr", average="macro")`, which raises or gives NaN there.

    Parameters
    ----------
    logits : Tensor
        [K, n, C].
    targets : Tensor
        [K, n] int64.

    References
    ----------
    Hanley & McNeil 1982, by ranks (Mann & Whitney 1947).
    """
    return torch.tensor([_one(examples) for examples in ranked(logits, targets)], dtype=torch.float64)


def _one(examples: Ranked | None) -> float:
    if examples is None:
        return float("nan")
    of_class = examples.hit.sum(1)
    others = examples.hit.shape[1] - of_class
    # Twice the number of others that stand above each example of the class, in whole numbers; mid-ranks among equals.
    ranks = ((examples.first + examples.last + 2) * examples.hit).sum(1)
    above = ranks - of_class * (of_class + 1)
    there = (of_class > 0) & (others > 0)
    return float((1 - above[there] / (2 * of_class * others)[there]).mean()) if there.any() else 0.5

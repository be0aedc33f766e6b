"""Area under the ROC curve."""

from __future__ import annotations

import torch
from torch import Tensor

from dropbench.metrics.ranked import Ranked, ranked


def auroc(logits: Tensor, targets: Tensor) -> Tensor:
    """Returns the probability that an example of a class gets a higher score for it than an example of another class: [K].

    It is in 0..1, and 0.5 is chance; equal scores count half. For more than two classes it is the mean over classes, each
    against the rest, without classes that have no example among the targets. If all targets are of one class there is
    nothing to rank, and it is 0.5. Otherwise it equals `sklearn.metrics.roc_auc_score(multi_class="ovr", average="macro")`,
    which raises an error or gives NaN in these cases.

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
    # Twice the rank of each example of the class, so that mid-ranks of equal scores are whole numbers.
    ranks = ((examples.first + examples.last + 2) * examples.hit).sum(1)
    above = ranks - of_class * (of_class + 1)
    there = (of_class > 0) & (others > 0)
    return float((1 - above[there] / (2 * of_class * others)[there]).mean()) if there.any() else 0.5

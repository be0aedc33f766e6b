"""Cross-entropy for a stack."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor

_FEW = 16
"""The number of float32 values in the widest vector register. With fewer classes, torch's softmax is ten times faster along
examples than along classes (benchmarks/LOG.md)."""


def cross_entropy(logits: Tensor, targets: Tensor, smoothing: float = 0.0) -> Tensor:
    """Returns the cross-entropy of each example in nats, [K, n], as `F.cross_entropy` does.

    Parameters
    ----------
    logits : Tensor
        [K, n, C].
    targets : Tensor
        [K, n] int64, in 0..C-1.
    smoothing : float
        The share of each target that is spread over all classes (Szegedy et al. 2016), in [0, 1].
    """
    if logits.shape[2] < _FEW:
        along_examples = logits.mT.contiguous()
        return F.cross_entropy(along_examples, targets, reduction="none", label_smoothing=smoothing)
    each = F.cross_entropy(logits.flatten(0, 1), targets.flatten(), reduction="none", label_smoothing=smoothing)
    return each.view_as(targets)


def laid_out(gradient: Tensor) -> Tensor:
    """Returns a gradient of logits [K, ..., C] in the memory layout of the gradient of `cross_entropy`.

    Rounding of products depends on the layout. If another term of the loss also reads the logits, the sum of both gradients
    could have the layout of either.
    """
    if gradient.shape[-1] >= _FEW:
        return gradient.contiguous()
    along_examples = gradient.flatten(1, -2).mT.contiguous()
    laid: Tensor = along_examples.mT.unflatten(1, gradient.shape[1:-1])
    return laid

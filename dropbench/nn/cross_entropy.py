"""Cross-entropy of a stack."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor

_FEW = 16
"""Classes below which torch's softmax is ten times faster along examples than along classes (benchmarks/LOG.md): as many
float32 numbers as fill its widest vector."""


def cross_entropy(logits: Tensor, targets: Tensor, smoothing: float = 0.0) -> Tensor:
    """Of each example, in nats: logits [K, n, C] and targets [K, n] to [K, n]. What `F.cross_entropy` computes.

    `smoothing` is its `label_smoothing`, the share of a target that is spread over all classes (Szegedy et al. 2016).
    """
    if logits.shape[2] < _FEW:
        along_examples = logits.mT.contiguous()
        return F.cross_entropy(along_examples, targets, reduction="none", label_smoothing=smoothing)
    each = F.cross_entropy(logits.flatten(0, 1), targets.flatten(), reduction="none", label_smoothing=smoothing)
    return each.view_as(targets)

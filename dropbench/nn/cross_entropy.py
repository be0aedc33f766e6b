"""Cross-entropy of a stack."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.autograd import Function
from torch.autograd.function import once_differentiable

from dropbench.nn.activation import one_by_one

_FEW = 16
"""Classes below which torch's softmax is ten times faster along examples than along classes (benchmarks/LOG.md): as many
float32 numbers as fill its widest vector."""
_exp = one_by_one(torch.exp)


def cross_entropy(logits: Tensor, targets: Tensor, smoothing: float = 0.0) -> Tensor:
    """Of each example, in nats: logits [K, n, C] and targets [K, n] to [K, n]. What `F.cross_entropy` computes.

    `smoothing` is its `label_smoothing`, the share of a target that is spread over all classes (Szegedy et al. 2016).
    """
    each: Tensor = _CrossEntropy.apply(logits, targets, smoothing)  # type: ignore[no-untyped-call]
    return each


class _CrossEntropy(Function):
    """By hand, for its gradient is one pass over the logits: autograd's is three, which with many classes is most of a step."""

    @staticmethod
    def forward(ctx: Any, logits: Tensor, targets: Tensor, smoothing: float) -> Tensor:
        few = logits.shape[2] < _FEW
        axis = ctx.axis = 1 if few else 2
        logs = (logits.mT.contiguous() if few else logits).log_softmax(axis)
        places = targets.unsqueeze(axis)
        ctx.save_for_backward(logs, places)
        ctx.smoothing = smoothing
        each = logs.gather(axis, places).squeeze(axis)
        if smoothing:
            each = each * (1 - smoothing) + logs.mean(axis) * smoothing
        return -each

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, g: Tensor) -> tuple[Tensor | None, ...]:
        logs, places = ctx.saved_tensors
        axis, smoothing = ctx.axis, ctx.smoothing
        grad = _exp(logs)
        grad.scatter_add_(axis, places, grad.new_tensor(smoothing - 1).expand(places.shape))
        if smoothing:
            grad.sub_(smoothing / logs.shape[axis])
        grad.mul_(g.unsqueeze(axis))
        return grad.mT if axis == 1 else grad, None, None

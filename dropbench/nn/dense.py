"""A dense layer, its ReLU and the dropout mask on its output as one step of autograd."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.autograd import Function
from torch.autograd.function import once_differentiable

from dropbench.nn.product import affine, affine_alone, gradients
from dropbench.nn.twice import plain

_threshold_backward = torch.ops.aten.threshold_backward


def dense_relu(x: Tensor, weight: Tensor, bias: Tensor, mask: Tensor | None, signed: bool = False) -> Tensor:
    """Returns max(0, x W + b) times the mask, [K, B, O].

    Bias, ReLU and mask work in the memory of the product. As separate operations they would take half as much time as the
    product itself (benchmarks/LOG.md).

    Parameters
    ----------
    x, weight, bias : Tensor
        [K, B, I], [K, I, O] and [K, 1, O].
    mask : Tensor or None
        Broadcasts to [K, B, O]. Gets no gradient.
    signed : bool
        Whether the mask may be negative.
    """
    if plain():
        activated = torch.relu(affine(x, weight, bias))
        return activated if mask is None else activated * mask
    out: Tensor = _DenseReLU.apply(x, weight, bias, mask, signed)  # type: ignore[no-untyped-call]
    return out


class _DenseReLU(Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, bias: Tensor, mask: Tensor | None, signed: bool) -> Tensor:
        out = affine_alone(x, weight, bias).clamp_min_(0)
        off = out <= 0 if signed else None
        if mask is not None:
            out.mul_(mask)
        ctx.save_for_backward(x, weight, out, mask, off)
        return out

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, g: Tensor) -> tuple[Tensor | None, ...]:
        x, weight, out, mask, off = ctx.saved_tensors
        # The threshold reads the masked output, which is also zero where an element was dropped. There the mask has already
        # made the gradient zero.
        if mask is None:
            g = _threshold_backward(g, out, 0)
        elif off is not None:
            g = (g * mask).masked_fill_(off, 0)
        else:
            g = g * mask
            _threshold_backward.grad_input(g, out, 0, grad_input=g)
        return *gradients(g, x, weight, ctx.needs_input_grad), None, None

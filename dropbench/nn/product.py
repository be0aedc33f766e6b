"""Products of stacked matrices, by whichever of torch's two libraries is faster for their shape on this CPU.

torch multiplies float32 matrices on a CPU with MKL, which on AMD's processors does not use their widest registers; oneDNN,
which torch uses for convolutions, LSTMs and bfloat16, does. On one core of a Zen 5 that is 255 GFLOP/s against 115
(`python -m benchmarks --only products`). It multiplies one replica at a time and a call costs some 20 µs, so small products
stay with MKL. The choice depends on the machine and the shape of one replica, not on K, so a run's bits do not either.

The way to oneDNN is the operator that torch's own compiler emits for a linear layer. It is not part of torch's public
interface: where it is missing everything goes the ordinary way.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.autograd import Function
from torch.autograd.function import once_differentiable

_SMALLEST = 2**21
"""Multiplications a replica from which oneDNN is worth its call."""


def product(a: Tensor, b: Tensor) -> Tensor:
    """a [K, M, I] times b [K, I, O]: [K, M, O]."""
    if _large(a, b):
        return _stack([_multiply(*one) for one in zip(a.unbind(0), b.unbind(0), strict=True)])
    return torch.bmm(a, b)


def add_product(out: Tensor, a: Tensor, b: Tensor) -> None:
    """out [K, M, O] += a [K, M, I] times b [K, I, O], outside of autograd."""
    if _large(a, b):
        for mine, *one in zip(out.unbind(0), a.unbind(0), b.unbind(0), strict=True):
            mine.add_(_multiply(*one))
    else:
        out.baddbmm_(a, b)


def affine(x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    """x [K, B, I] times weight [K, I, O] plus bias [K, 1, O]: [K, B, O]."""
    if _large(x, weight):
        out: Tensor = _Affine.apply(x, weight, bias)  # type: ignore[no-untyped-call]
        return out
    if weight.shape[2] == 1 and len(x) > 1:  # of a single column MKL makes other bits in a stack than alone
        each = zip(bias.split(1), x.split(1), weight.split(1), strict=True)
        return torch.cat([torch.baddbmm(*one) for one in each])
    return torch.baddbmm(bias, x, weight)


class _Affine(Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
        ctx.save_for_backward(x, weight)
        each = zip(x.unbind(0), weight.unbind(0), bias.unbind(0), strict=True)
        return _stack([_multiply(a, w, b[0]) for a, w, b in each])

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, g: Tensor) -> tuple[Tensor | None, ...]:
        x, weight = ctx.saved_tensors
        needs = ctx.needs_input_grad
        return (
            product(g, weight.transpose(1, 2)) if needs[0] else None,
            product(x.transpose(1, 2), g) if needs[1] else None,
            g.sum(1, keepdim=True) if needs[2] else None,
        )


def _multiply(a: Tensor, b: Tensor, bias: Tensor | None = None) -> Tensor:
    """a [M, I] times b [I, O] plus bias [O] by oneDNN, whose linear layer has weights [O, I]."""
    out: Tensor = torch.ops.mkldnn._linear_pointwise(a, b.t(), bias, "none", [], "")
    return out


def _stack(parts: list[Tensor]) -> Tensor:
    return torch.stack(parts) if len(parts) > 1 else parts[0][None]


def _large(a: Tensor, b: Tensor) -> bool:
    return (
        a.shape[1] * a.shape[2] * b.shape[2] >= _SMALLEST
        and a.device.type == "cpu"
        and a.dtype == b.dtype == torch.float32
        and not torch.is_autocast_enabled("cpu")
        and _faster_here()
    )


@cache
def _faster_here() -> bool:
    """Whether oneDNN has wider registers to itself: an AMD processor with AVX-512."""
    if not (torch.backends.mkldnn.is_available() and hasattr(torch.ops.mkldnn, "_linear_pointwise")):
        return False
    cpus = Path("/proc/cpuinfo")
    return torch.backends.cpu.get_cpu_capability() == "AVX512" and cpus.exists() and "AuthenticAMD" in cpus.read_text()

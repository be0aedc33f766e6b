"""Products of stacked matrices, by the library that `hardware.blas.chosen()` names for this process.

torch multiplies float32 matrices on a CPU with MKL, which does not use the widest registers of AMD's processors. Two other
libraries do. OpenBLAS, which comes with NumPy, does so at any size. oneDNN, which torch uses for convolutions, LSTMs and
bfloat16, multiplies one replica at a time, and a call takes about 20 µs, so it is used only for large products. If OpenBLAS is
chosen, oneDNN takes large products with a transposed matrix, where it is a fifth faster; it takes all large products if it is
chosen itself, or if MKL is limited to AVX2. `python -m benchmarks --only products` shows all three.

Each library multiplies one replica at a time. Which one is used depends on the process and the shape of one replica, not on K,
so the bits of a run do not depend on K either. oneDNN is called through the operator that torch's own compiler emits for a
linear layer. This operator is not part of torch's public interface; if it is missing, torch multiplies.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.autograd import Function
from torch.autograd.function import once_differentiable

from dropbench.hardware import blas
from dropbench.nn.twice import plain

_SMALLEST = 2**21
"""The smallest number of multiplications in one replica's product for which a call of oneDNN pays off."""


def product(a: Tensor, b: Tensor) -> Tensor:
    """Returns the products [K, M, O] of a [K, M, I] and b [K, I, O], without autograd."""
    if _ours(a, b):
        return _multiply(a, b)
    return _joined([torch.bmm(*one) for one in _each(a, b)])


def differentiable_product(a: Tensor, b: Tensor) -> Tensor:
    """Returns the products [K, M, O] of a [K, M, I] and b [K, I, O] by torch, with autograd, of any type and on any device."""
    if _one_summand(a, b):
        return a * b
    return _joined([torch.bmm(*one) for one in _each(a, b)])


def add_product(out: Tensor, a: Tensor, b: Tensor) -> None:
    """Adds the products of a [K, M, I] and b [K, I, O] to `out` [K, M, O], in place and without autograd."""
    if _one_summand(a, b):
        out.add_(a * b)
    elif _ours(a, b):
        out.add_(_multiply(a, b))
    else:
        for one in _each(out, a, b):
            one[0].baddbmm_(*one[1:])


def affine(x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    """Returns the dense layers x W + b, [K, B, O], for x [K, B, I], weight [K, I, O] and bias [K, 1, O]."""
    if plain():
        # One replica at a time, since products of rows and columns in the gradients round differently in a stack.
        return torch.stack([torch.addmm(*one) for one in zip(bias, x, weight, strict=True)])
    if _one_summand(x, weight):
        return x * weight + bias
    if _ours(x, weight):
        out: Tensor = _Affine.apply(x, weight, bias)  # type: ignore[no-untyped-call]
        return out
    return affine_alone(x, weight, bias)


def affine_alone(x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    """Computes `affine` without a gradient, for use inside an autograd function with its own backward pass."""
    if _one_summand(x, weight):
        return (x * weight).add_(bias)
    if _ours(x, weight):
        return _multiply(x, weight).add_(bias)
    return _joined([torch.baddbmm(*one) for one in _each(bias, x, weight)])


def _each(*stacked: Tensor) -> Iterable[tuple[Tensor, ...]]:
    """Yields the pieces to multiply in one call of MKL: the whole stack, or single replicas for single rows and columns.

    MKL rounds single rows and columns differently in a stack than alone.
    """
    single = 1 in (stacked[-2].shape[1], stacked[-1].shape[2])
    return zip(*(t.split(1) for t in stacked), strict=True) if single else (stacked,)


def _joined(parts: list[Tensor]) -> Tensor:
    return torch.cat(parts) if len(parts) > 1 else parts[0]


class _Affine(Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
        ctx.save_for_backward(x, weight)
        return affine_alone(x, weight, bias)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, g: Tensor) -> tuple[Tensor | None, ...]:
        x, weight = ctx.saved_tensors
        return gradients(g, x, weight, ctx.needs_input_grad)


def gradients(g: Tensor, x: Tensor, weight: Tensor, needs: tuple[bool, ...]) -> tuple[Tensor | None, ...]:
    """Returns the gradients of `affine`'s three arguments from `g` [K, B, O], that of its result; None if not needed."""
    return (
        product(g, weight.mT) if needs[0] else None,
        product(x.mT, g) if needs[1] else None,
        g.sum(1, keepdim=True) if needs[2] else None,
    )


def _multiply(a: Tensor, b: Tensor) -> Tensor:
    """Multiplies by NumPy, or by oneDNN, whose linear layer has weights [O, I]."""
    if _large(a, b) and not (_by_numpy() and b.stride(2) == 1):
        pairs = zip(a.unbind(0), b.unbind(0), strict=True)
        return _joined([_linear()(x, w.t(), None, "none", [], "")[None] for x, w in pairs])
    out = torch.empty(a.shape[0], a.shape[1], b.shape[2])
    with np.errstate(all="ignore"):  # a diverging replica is noticed by its loss
        np.matmul(_array(a), _array(b), out=out.numpy())
    return out


def _array(matrices: Tensor) -> NDArray[np.float32]:
    """Returns the matrices as a NumPy array without gaps between rows or columns; otherwise NumPy uses a slow loop."""
    if 1 not in matrices.stride()[1:]:
        matrices = matrices.contiguous()
    array: NDArray[np.float32] = matrices.detach().numpy()
    return array


def _ours(a: Tensor, b: Tensor) -> bool:
    """Returns whether OpenBLAS or oneDNN should multiply these instead of torch."""
    return (
        a.dtype == b.dtype == torch.float32
        and a.device.type == "cpu"
        and (_by_numpy() or _large(a, b))
        and not torch.is_autocast_enabled("cpu")
    )


def _one_summand(a: Tensor, b: Tensor) -> bool:
    """Returns whether each number of the result is a single product of two numbers (I is 1), in float32 on a CPU.

    When something is added to it, MKL rounds once in a stack and twice alone on some processors of Intel, or the other way
    round, which also depends on the strides. torch's `*` and then `+` round twice wherever the numbers are.
    """
    same = a.dtype == b.dtype == torch.float32 and a.device.type == "cpu"
    return a.shape[2] == 1 and same and not torch.is_autocast_enabled("cpu")


def _large(a: Tensor, b: Tensor) -> bool:
    """Returns whether oneDNN's operator exists and the product is large enough for it."""
    return _linear() is not None and a.shape[1] * a.shape[2] * b.shape[2] >= _SMALLEST


def _by_numpy() -> bool:
    return blas.chosen() == blas.OPENBLAS


def _linear() -> Any:
    """The linear layer of oneDNN where it is to take large products, else None."""
    return _operator() if blas.chosen() in (blas.OPENBLAS, blas.ONEDNN) or blas.amd_with_avx512() else None


@cache
def _operator() -> Any:
    return getattr(torch.ops.mkldnn, "_linear_pointwise", None)

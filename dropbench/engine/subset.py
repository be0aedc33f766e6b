"""Runs a part of a stacked model for some of its replicas only."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.func import functional_call

from dropbench.sites.noise import Noise


def all_of(module: nn.Module, given: Sequence[Tensor], noise: Noise) -> Tensor:
    """Returns `module(x, noise, *beside)` with gradients in the summation order and memory layout that `run` gives them.

    Gradients of several uses of x inside the module are added up before those of uses outside, such as a shortcut.
    """
    x, *beside = given
    out: Tensor = module(graded(x.view_as(x)), noise, *beside)
    return graded(out)


def run(module: nn.Module, given: Sequence[Tensor], noise: Noise, kept: Tensor, shape: tuple[int, ...]) -> Tensor:
    """Returns `module(x, noise, *beside)` of the replicas `kept` [n] int64, in order, and zeros of the others.

    `given` is (x, *beside), [K, ...] each; `shape` is that of the result, [K, ...]. The parameters of the other replicas get a
    gradient of zero and not None, so that an optimizer treats a replica alike in any stack. Their buffers, such as batch
    norm's running statistics, do not change.
    The caller must make sure that there is no noise inside the module, which would get n replicas and not K.
    """
    x, *beside = given
    if len(kept) == len(x):
        return all_of(module, given, noise)
    parameters = {name: p.index_select(0, kept) for name, p in module.named_parameters()}
    if len(kept) == 0:
        # The result does not depend on x and the parameters, but they must get a gradient, of zero.
        empty = [x.index_select(0, kept), *parameters.values()]
        return x.new_zeros(shape) + torch.stack([e.to(x.dtype).sum() for e in empty]).sum()
    buffers = {name: b.index_select(0, kept) for name, b in module.named_buffers()}
    arguments = (_rows(x, kept), noise, *(b.index_select(0, kept) for b in beside))
    part: Tensor = functional_call(module, {**parameters, **buffers}, arguments)
    with torch.no_grad():
        for name, buffer in module.named_buffers():
            buffer[kept] = buffers[name]
    order = _order(part)
    out = part.new_zeros([shape[i] for i in order]).index_copy(0, kept, part.permute(order))
    return out.permute([order.index(i) for i in range(part.ndim)])


def graded(x: Tensor) -> Tensor:
    """Returns x with a hook that puts its gradient into the memory order of x."""
    if x.requires_grad:
        order = _order(x)
        back = [order.index(i) for i in range(x.ndim)]
        # Autograd passes None for a gradient of zero that was never computed.
        x.register_hook(lambda g: None if g is None else g.permute(order).contiguous().permute(back))
    return x


def _rows(x: Tensor, kept: Tensor) -> Tensor:
    """Returns x[kept] in the memory order of x, because the rounding of convolutions depends on it."""
    order = _order(x)
    return x.permute(order).index_select(0, kept).permute([order.index(i) for i in range(x.ndim)])


def _order(x: Tensor) -> list[int]:
    """Returns the axes from the slowest to the fastest in memory, with the replica axis first."""
    strides = x.stride()
    return [0, *sorted(range(1, x.ndim), key=lambda i: -strides[i])]

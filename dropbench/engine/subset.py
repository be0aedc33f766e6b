"""A part of a stacked model for some of its replicas only."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.func import functional_call

from dropbench.sites.noise import Noise


def all_of(module: nn.Module, given: Sequence[Tensor], noise: Noise) -> Tensor:
    """`module(x, noise, *beside)`, whose gradients add up and lie in memory as they do in `run` for some replicas.

    The gradients of several uses of x in the module meet before those of uses outside, such as a shortcut.
    """
    x, *beside = given
    out: Tensor = module(graded(x.view_as(x)), noise, *beside)
    return graded(out)


def run(module: nn.Module, given: Sequence[Tensor], noise: Noise, kept: Tensor, shape: tuple[int, ...]) -> Tensor:
    """`module(x, noise, *beside)` for the replicas `kept` [n] int64, in order, and zeros of the others: [K, ...] of `shape`.

    `given` is x and what is beside it, [K, ...] each. The parameters of the others get a gradient of zero, not none, so that
    an optimizer treats a replica alike in any stack. Their buffers, such as batch norm's running statistics, stay as they
    are. Noise inside the module is the caller's affair: it would meet n replicas and not K.
    """
    x, *beside = given
    if len(kept) == len(x):
        return all_of(module, given, noise)
    parameters = {name: p.index_select(0, kept) for name, p in module.named_parameters()}
    if len(kept) == 0:
        # Nothing comes of x and the parameters, and zero is its slope.
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
    """x, whose gradient comes in the memory order of x."""
    if x.requires_grad:
        order = _order(x)
        back = [order.index(i) for i in range(x.ndim)]
        # None is a gradient of zero that nobody made.
        x.register_hook(lambda g: None if g is None else g.permute(order).contiguous().permute(back))
    return x


def _rows(x: Tensor, kept: Tensor) -> Tensor:
    """x[kept], in the memory order of x: how a convolution rounds depends on it."""
    order = _order(x)
    return x.permute(order).index_select(0, kept).permute([order.index(i) for i in range(x.ndim)])


def _order(x: Tensor) -> list[int]:
    """The axes from the slowest to the fastest in memory, the replicas' first."""
    strides = x.stride()
    return [0, *sorted(range(1, x.ndim), key=lambda i: -strides[i])]

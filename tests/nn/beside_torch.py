"""A stacked layer beside layers of torch's own, one for each replica."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn


def assert_each_replica_is(
    references: Sequence[nn.Module],
    layer: Callable[[Tensor], Tensor],
    x: Tensor,
    weight: Tensor,
    bias: Tensor,
    *,
    transposed: bool = False,
) -> None:
    """Checks that results, and gradients of x [K, ...], weight and bias, are those of the references.

    `transposed`: the stacked weights are the transposes of torch's.
    """
    out = layer(x)
    g = torch.randn(out.shape, dtype=out.dtype)
    out.backward(g)
    for k, one in enumerate(references):
        alone = x[k].detach().requires_grad_()
        expected = one(alone)
        expected.backward(g[k])
        torch.testing.assert_close(out[k], expected)
        torch.testing.assert_close(x.grad[k], alone.grad)
        torch.testing.assert_close(weight.grad[k].T if transposed else weight.grad[k], one.weight.grad)
        torch.testing.assert_close(bias.grad[k].view_as(one.bias.grad), one.bias.grad)

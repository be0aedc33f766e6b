from __future__ import annotations

import pytest
import torch
from torch import nn

from dropbench.nn.linear import Linear


@pytest.mark.parametrize("replicas", [1, 3])
def test_each_replica_is_torchs_linear(replicas: int) -> None:
    torch.manual_seed(0)
    references = [nn.Linear(5, 4) for _ in range(replicas)]
    stack = Linear(replicas, 5, 4)
    with torch.no_grad():
        for k, one in enumerate(references):
            stack.weight[k], stack.bias[k, 0] = one.weight.T, one.bias
    x, g = torch.randn(replicas, 7, 5, requires_grad=True), torch.randn(replicas, 7, 4)
    out = stack(x)
    out.backward(g)
    for k, one in enumerate(references):
        alone = x[k].detach().requires_grad_()
        expected = one(alone)
        expected.backward(g[k])
        torch.testing.assert_close(out[k], expected)
        torch.testing.assert_close(x.grad[k], alone.grad)
        torch.testing.assert_close(stack.weight.grad[k], one.weight.grad.T)
        torch.testing.assert_close(stack.bias.grad[k, 0], one.bias.grad)

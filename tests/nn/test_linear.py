from __future__ import annotations

import pytest
import torch
from beside_torch import assert_each_replica_is
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
    x = torch.randn(replicas, 7, 5, requires_grad=True)
    assert_each_replica_is(references, stack, x, stack.weight, stack.bias, transposed=True)

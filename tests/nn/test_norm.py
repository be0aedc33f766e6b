from __future__ import annotations

import pytest
import torch
from beside_torch import assert_each_replica_is
from torch import nn

from dropbench.nn.norm import BatchNorm, LayerNorm


@pytest.mark.parametrize("replicas", [1, 3])
@pytest.mark.parametrize("shape", [(6, 4), (6, 4, 3, 2)], ids=["vector", "maps"])
def test_each_replica_is_torchs_batch_norm(replicas: int, shape: tuple[int, ...]) -> None:
    """Forward, gradients and running statistics over five steps, then in evaluation mode."""
    torch.manual_seed(0)
    reference = nn.BatchNorm1d if len(shape) == 2 else nn.BatchNorm2d
    references = [reference(4).double() for _ in range(replicas)]
    stack = BatchNorm(replicas, 4).double()
    with torch.no_grad():
        stack.weight.normal_()
        stack.bias.normal_()
        for k, one in enumerate(references):
            one.weight.copy_(stack.weight[k])
            one.bias.copy_(stack.bias[k])
    for training in (True,) * 5 + (False,) * 2:
        x = torch.randn(replicas, *shape, dtype=torch.float64) * 2 + torch.arange(replicas).view(-1, *[1] * len(shape))
        x.requires_grad_()
        for module in (stack, *references):
            module.train(training).zero_grad()
        assert_each_replica_is(references, stack, x, stack.weight, stack.bias)
        for k, one in enumerate(references):
            torch.testing.assert_close(stack.running_mean[k], one.running_mean)
            torch.testing.assert_close(stack.running_var[k], one.running_var)


def test_evaluation_leaves_the_statistics_alone() -> None:
    stack = BatchNorm(2, 4).eval()
    stack(torch.randn(2, 6, 4) + 3)
    assert not stack.running_mean.any() and bool((stack.running_var == 1).all())


@pytest.mark.parametrize("shape", [(4,), (6, 4), (2, 6, 4)])
def test_each_replica_is_torchs_layer_norm(shape: tuple[int, ...]) -> None:
    torch.manual_seed(0)
    stack = LayerNorm(3, 4).double()
    references = [nn.LayerNorm(4).double() for _ in range(3)]
    for k, one in enumerate(references):
        nn.init.normal_(one.weight)
        nn.init.normal_(one.bias)
        with torch.no_grad():
            stack.weight[k], stack.bias[k] = one.weight, one.bias
    x = torch.randn(3, *shape, dtype=torch.float64, requires_grad=True)
    assert_each_replica_is(references, stack, x, stack.weight, stack.bias)


@pytest.mark.parametrize("replicas", [1, 3])
def test_maps_come_channels_last_whatever_their_order(replicas: int) -> None:
    out = BatchNorm(replicas, 4)(torch.randn(replicas, 6, 4, 3, 2))
    assert all(one.is_contiguous(memory_format=torch.channels_last) for one in out)

from __future__ import annotations

import pytest
import torch
from torch import nn

from dropbench.engine.streams import StackedDraws
from dropbench.nn import attention
from dropbench.nn.attention import SelfAttention, explicit, fused, key_bias


def stack(replicas: int, features: int, heads: int) -> tuple[SelfAttention, list[nn.MultiheadAttention]]:
    """With the weights of torch's layers."""
    torch.manual_seed(0)
    references = [nn.MultiheadAttention(features, heads, batch_first=True).double() for _ in range(replicas)]
    ours = SelfAttention(replicas, features, heads).double()
    with torch.no_grad():
        for k, one in enumerate(references):
            nn.init.normal_(one.in_proj_bias)
            nn.init.normal_(one.out_proj.bias)
            ours.qkv.weight[k] = one.in_proj_weight.T
            ours.qkv.bias[k] = one.in_proj_bias
            ours.out.weight[k] = one.out_proj.weight.T
            ours.out.bias[k] = one.out_proj.bias
    return ours, references


@pytest.mark.parametrize("noisy", [False, True])
@pytest.mark.parametrize("padded", [False, True])
@pytest.mark.parametrize("replicas", [1, 3])
def test_each_replica_is_torchs_attention(replicas: int, padded: bool, noisy: bool) -> None:
    ours, references = stack(replicas, 6, 2)
    x = torch.randn(replicas, 4, 5, 6, dtype=torch.float64)
    padding = (torch.rand(replicas, 4, 5) < 0.4) & (torch.arange(5) < 4) if padded else None
    out = ours(x, padding, (lambda w: w) if noisy else None)
    for k, one in enumerate(references):
        mask = None if padding is None else padding[k]
        expected, _ = one(x[k], x[k], x[k], key_padding_mask=mask, need_weights=False)
        torch.testing.assert_close(out[k], expected)


def test_noise_meets_the_weights_after_the_softmax() -> None:
    ours, references = stack(2, 6, 2)
    x = torch.randn(2, 4, 5, 6, dtype=torch.float64)
    seen: list[torch.Tensor] = []
    ours(x, None, lambda w: seen.append(w) or w)
    for k, one in enumerate(references):
        _, weights = one(x[k], x[k], x[k], average_attn_weights=False)
        torch.testing.assert_close(seen[0][k], weights)


@pytest.mark.parametrize("padded", [False, True])
def test_the_fused_way_is_the_explicit_one_up_to_rounding(padded: bool) -> None:
    torch.manual_seed(0)
    query, key, value = (torch.randn(2, 3, 4, 7, 5, requires_grad=True) for _ in range(3))
    bias = key_bias(torch.rand(2, 3, 7) < 0.5, torch.float32) if padded else None
    a, b = explicit(query, key, value, bias), fused(query, key, value, bias)
    torch.testing.assert_close(a, b)
    g = torch.randn_like(a)
    for one, other in zip(*(torch.autograd.grad(out, (query, key, value), g) for out in (a, b)), strict=True):
        torch.testing.assert_close(one, other)


@pytest.mark.parametrize("attend", [explicit, fused])
def test_nothing_but_padding_is_no_nan(attend: object) -> None:
    tensors = [torch.randn(1, 2, 2, 3, 4) for _ in range(3)]
    bias = key_bias(torch.tensor([[[True, True, True], [False, True, True]]]), torch.float32)
    out = attend(*tensors, bias)  # type: ignore[operator]
    assert bool(torch.isfinite(out).all())
    torch.testing.assert_close(out[0, 1], tensors[2][0, 1, :, :1].expand(-1, 3, -1))


def test_positions_start_normal_with_a_deviation_of_a_fiftieth() -> None:
    positions = attention.Positions(2, 100, 200)
    positions.reset(StackedDraws([0, 1], "init", torch.device("cpu")))
    for replica in positions.weight.detach():
        assert abs(float(replica.std()) / 0.02 - 1) < 5 / (2 * 20_000) ** 0.5


@pytest.mark.parametrize("attend", [explicit, fused])
def test_padding_has_no_weight_however_well_it_would_match(attend: object) -> None:
    query, value = torch.ones(1, 1, 1, 1, 4), torch.tensor([1.0, 2.0]).view(1, 1, 1, 2, 1).expand(-1, -1, -1, -1, 4)
    key = torch.stack([torch.zeros(4), torch.full((4,), 1e6)]).view(1, 1, 1, 2, 4)
    bias = key_bias(torch.tensor([[[False, True]]]), torch.float32)
    assert torch.equal(attend(query, key, value, bias), torch.ones(1, 1, 1, 1, 4))  # type: ignore[operator]


def test_an_accelerator_takes_the_fused_way_where_there_is_no_noise(monkeypatch: pytest.MonkeyPatch) -> None:
    """And a CPU that which it takes with noise, to the last bit."""
    taken: list[str] = []
    monkeypatch.setattr(attention, "fused", lambda q, *given: (taken.append(q.device.type), fused(q, *given))[1])
    layer = SelfAttention(2, 8, 2)
    for p in layer.parameters():
        nn.init.normal_(p)
    x = torch.randn(2, 3, 5, 8)
    assert torch.equal(layer(x), layer(x, None, lambda w: w))
    layer.to("meta")
    assert layer(torch.empty(2, 3, 5, 8, device="meta")).shape == (2, 3, 5, 8)
    layer(torch.empty(2, 3, 5, 8, device="meta"), None, lambda w: w)
    assert taken == ["meta"]

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
import torch.nn.functional as F
from beside_torch import assert_each_replica_is
from torch import Tensor, nn

from dropbench.nn.conv import Conv2d, grouped, in_turn, pool2d

PATHS = pytest.mark.parametrize("path", [in_turn, grouped], ids=["in_turn", "grouped"])
Path = Callable[[Tensor, Tensor, Tensor], Tensor]


def maps(*shape: int, channels_last: bool) -> Tensor:
    """[K, B, C, H, W] in either order of memory."""
    if not channels_last:
        return torch.randn(shape)
    k, b, c, h, w = shape
    return torch.randn(k, b, h, w, c).permute(0, 1, 4, 2, 3)


@PATHS
@pytest.mark.parametrize("replicas", [1, 3])
@pytest.mark.parametrize("kernel", [1, 3, 5])
@pytest.mark.parametrize("channels_last", [False, True])
def test_each_replica_is_torchs_convolution(path: Path, replicas: int, kernel: int, channels_last: bool) -> None:
    torch.manual_seed(0)
    references = [nn.Conv2d(2, 4, kernel, padding="same") for _ in range(replicas)]
    weight = torch.stack([one.weight.detach() for one in references]).requires_grad_()
    bias = torch.stack([one.bias.detach() for one in references]).requires_grad_()
    x = maps(replicas, 3, 2, 5, 6, channels_last=channels_last).requires_grad_()
    assert_each_replica_is(references, lambda given: path(given, weight, bias), x, weight, bias)


def test_the_layer_takes_the_path_of_its_device() -> None:
    """On a CPU in turn, in channels-last order; "meta" stands for an accelerator."""
    layer = Conv2d(2, 3, 4, 3)
    with torch.no_grad():
        layer.weight.normal_()
        layer.bias.normal_()
    x = torch.randn(2, 5, 3, 6, 6)
    out = layer(x)
    assert torch.equal(out, in_turn(x, layer.weight, layer.bias))
    assert out.stride(2) == 1
    assert layer.to("meta")(x.to("meta")).shape == out.shape


@pytest.mark.parametrize("replicas", [1, 2, 5])
@pytest.mark.parametrize("inputs", [1, 3])
@pytest.mark.parametrize("kernel", [1, 3])
@pytest.mark.parametrize("channels_last", [False, True])
def test_maps_come_channels_last_on_a_cpu(
    replicas: int, inputs: int, kernel: int, channels_last: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """From the convolution itself, of one channel too, which lies in both orders at once, so that no map is copied.

    A 1×1 kernel lies in both orders as well, and maps then come in the order of what it is given.
    """
    made: list[Tensor] = []
    convolve = F.conv2d
    monkeypatch.setattr(F, "conv2d", lambda *given, **more: (made.append(convolve(*given, **more)), made[-1])[1])
    x = maps(replicas, 4, inputs, 6, 7, channels_last=channels_last)
    out = in_turn(x, torch.randn(replicas, 8, inputs, kernel, kernel), None)
    assert all(one.is_contiguous(memory_format=torch.channels_last) for one in out)
    assert len(made) == replicas
    if inputs == 1 or kernel > 1 or channels_last:
        assert all(one.is_contiguous(memory_format=torch.channels_last) for one in made)


@pytest.mark.parametrize(("kind", "function"), [("max", F.max_pool2d), ("avg", F.avg_pool2d)])
@pytest.mark.parametrize("side", [(4, 4), (5, 7), (2, 3)])
@pytest.mark.parametrize("channels_last", [False, True])
def test_pooling_halves_each_replicas_maps(
    kind: str, function: Callable[..., Tensor], side: tuple[int, int], channels_last: bool
) -> None:
    x = maps(3, 2, 4, *side, channels_last=channels_last)
    out = pool2d(x, kind)
    assert out.shape == (3, 2, 4, side[0] // 2, side[1] // 2)
    for k in range(3):
        torch.testing.assert_close(out[k], function(x[k].contiguous(), 2))


@PATHS
@pytest.mark.parametrize("channels_last", [False, True])
@pytest.mark.parametrize("side", [(1, 1), (5, 6)])
def test_strides_and_no_bias(path: Path, side: tuple[int, int], channels_last: bool) -> None:
    torch.manual_seed(0)
    references = [nn.Conv2d(2, 4, 3, stride=2, padding=1, bias=False) for _ in range(3)]
    weight = torch.stack([one.weight.detach() for one in references])
    x = maps(3, 3, 2, *side, channels_last=channels_last)
    out = path(x, weight, None, 2)  # type: ignore[call-arg]
    assert out.shape == (3, 3, 4, *(-(-n // 2) for n in side))
    for k, one in enumerate(references):
        torch.testing.assert_close(out[k], one(x[k]))

"""How weights start: variance by activation, orthogonal recurrences, and every replica from its own seed."""

from __future__ import annotations

import itertools
import math
from typing import get_args

import pytest
import torch
from torch import Tensor, nn

from dropbench.engine.streams import StackedDraws
from dropbench.nn.activation import Activation, function, gain, monotone
from dropbench.nn.conv import Conv2d
from dropbench.nn.linear import Linear
from dropbench.nn.norm import BatchNorm
from dropbench.nn.recurrent import Recurrent

ACTIVATIONS = pytest.mark.parametrize("activation", get_args(Activation))


def start(layer: nn.Module, *seeds: int) -> None:
    layer.reset(StackedDraws(seeds, "init", torch.device("cpu")))  # type: ignore[operator]


def uniform_with_variance(weight: Tensor, variance: float) -> bool:
    """Bounded by the ends of that uniform law, and of its variance within five standard errors (kurtosis 9/5)."""
    w = weight.detach().double().flatten()
    inside = float(w.abs().max()) <= math.sqrt(3 * variance) * (1 + 1e-6)
    return inside and abs(float(w.square().mean()) / variance - 1) < 5 * math.sqrt(0.8 / len(w))


@ACTIVATIONS
def test_dense_and_convolution_weights_have_variance_gain_squared_over_fan_in(activation: Activation) -> None:
    dense, convolution = Linear(1, 200, 150, gain(activation)), Conv2d(1, 40, 50, 3, gain(activation))
    start(dense, 0)
    start(convolution, 0)
    assert uniform_with_variance(dense.weight, gain(activation) ** 2 / 200)
    assert uniform_with_variance(convolution.weight, gain(activation) ** 2 / (40 * 9))
    assert not dense.bias.any() and not convolution.bias.any()


@ACTIVATIONS
def test_gain_keeps_a_signal_alive_through_layers(activation: Activation) -> None:
    """The mean square of what a unit hands on, over 10 layers: kept by the rectifiers and SELU, never lost by the others."""
    x = torch.randn(1, 200, 300, generator=torch.Generator().manual_seed(0))
    for seed in range(10):
        layer = Linear(1, 300, 300, gain(activation))
        start(layer, seed)
        x = function(activation)(layer(x).detach())
    kept = float(x.square().mean())
    assert (0.5 < kept < 2) if activation in ("relu", "leaky_relu", "selu") else (0.05 < kept < 2)


@ACTIVATIONS
def test_monotone_says_whether_the_function_is(activation: Activation) -> None:
    """Above -0.75 GELU rises too: the grid reaches below."""
    y = function(activation)(torch.linspace(-5, 5, 2001, dtype=torch.float64))
    assert monotone(activation) == bool((y.diff() >= 0).all())


@pytest.mark.parametrize(("cell", "gates"), [("vanilla", 1), ("lstm", 4), ("gru", 3)])
def test_recurrent_weights(cell: str, gates: int) -> None:
    layer = Recurrent(2, 50, 30, cell)
    start(layer, 0, 1)
    assert uniform_with_variance(layer.weight_input, 1 / 50)
    for replica in layer.weight_hidden:
        blocks = replica.split(30, 1)
        assert len(blocks) == gates
        for block in blocks:
            torch.testing.assert_close(block.T @ block, torch.eye(30), atol=1e-5, rtol=0)
        assert all(not torch.allclose(a, b, atol=0.1) for a, b in itertools.pairwise(blocks))
    assert not layer.bias_hidden.any()
    forget = layer.bias_input.view(2, gates, 30)
    if cell == "lstm":
        assert bool((forget[:, 1] == 1).all())  # torch's order: i, f, g, o
        forget = forget[:, [0, 2, 3]]
    assert not forget.any()


def test_orthogonal_draws_have_no_preferred_signs() -> None:
    """Plain QR favours one sign on its diagonal; the uniform law over the group does not."""
    layer = Recurrent(1, 4, 64, "lstm")
    start(layer, 0)
    diagonals = torch.cat([b.diagonal() for b in layer.weight_hidden[0].split(64, 1)])
    assert abs(int((diagonals > 0).sum()) - 128) < 5 * 8


LAYERS = {
    "linear": lambda k: Linear(k, 5, 4),
    "conv": lambda k: Conv2d(k, 2, 3, 3),
    "lstm": lambda k: Recurrent(k, 3, 5, "lstm"),
}


@pytest.mark.parametrize("make", LAYERS.values(), ids=LAYERS)
def test_a_replica_starts_from_its_seed_alone(make: object) -> None:
    stack = make(4)  # type: ignore[operator]
    start(stack, 3, 0, 3, 1)
    for k, seed in enumerate((3, 0, 3, 1)):
        alone = make(1)  # type: ignore[operator]
        start(alone, seed)
        assert all(torch.equal(p[k], q[0]) for p, q in zip(stack.parameters(), alone.parameters(), strict=True))
    first = next(iter(stack.parameters()))
    assert not torch.equal(first[0], first[1]) and not torch.equal(first[1], first[3])


def test_batch_norm_starts_as_the_identity() -> None:
    norm = BatchNorm(2, 4)
    with torch.no_grad():
        norm.weight.normal_()
        norm.bias.normal_()
    start(norm, 0, 1)
    assert bool((norm.weight == 1).all()) and not norm.bias.any()


def test_nothing_touches_the_global_generator() -> None:
    before = torch.get_rng_state()
    for make in LAYERS.values():
        start(make(2), 0, 1)
    assert torch.equal(before, torch.get_rng_state())

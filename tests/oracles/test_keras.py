"""Keras' layers, on its torch backend: feed-forward ones, and what `recurrent_dropout` is."""

from __future__ import annotations

import itertools
import math
from types import ModuleType

import numpy as np
import pytest
import torch
from beside import MAPS, SEQUENCE, VECTOR, N, distance, fixed_input, keras_layers, ours
from noise_kit import stack_noise
from scipy import stats
from torch import Tensor

from dropbench.nn.recurrent import CellNoise, Recurrent
from dropbench.sites import Site

RATE = 0.25
KEEP = 1 - RATE
STEPS, UNITS = 6, 5
STATE = Site("state", "recurrent", (STEPS, UNITS), "TF")


@pytest.fixture(scope="module")
def layers(tmp_path_factory: pytest.TempPathFactory) -> ModuleType:
    return keras_layers(tmp_path_factory.mktemp("keras"))


SAME = {
    "standard": (VECTOR, "Dropout", {}),
    "gaussian": (VECTOR, "GaussianDropout", {}),
    "alpha": (VECTOR, "AlphaDropout", {}),
    "spatial": (SEQUENCE, "SpatialDropout1D", {}),
    "spatial.maps": (MAPS, "SpatialDropout2D", {"data_format": "channels_first"}),
    # A mask held over time is Keras' Dropout with a shape of noise.
    "locked": (SEQUENCE, "Dropout", {"noise_shape": (None, 1, SEQUENCE.shape[1])}),
}


@pytest.mark.parametrize("name", SAME)
def test_same_distribution(layers: ModuleType, name: str) -> None:
    at, layer, options = SAME[name]
    made = getattr(layers, layer)(RATE, seed=0, **options)
    a, b = ours(name.partition(".")[0], at, RATE), made(fixed_input(at), training=True).detach()
    assert distance(a, b) < 5
    assert torch.equal(made(fixed_input(at), training=False), fixed_input(at))
    if name == "gaussian":  # Not only the moments.
        x = fixed_input(at)
        assert stats.ks_2samp(((a / x)[:, 0]).numpy(), ((b / x)[:, 0]).numpy()).pvalue > 1e-3


def test_a_linear_recurrent_path_is_the_same_with_one_mask_a_sequence(layers: ModuleType) -> None:
    """SimpleRNN with no input, the identity for its weight and no activation: after t steps the state is its mask^t.

    So the mean is keep^(1-t): Keras' scale is inverted too, and amplifies what a held mask keeps.
    """
    rnn = layers.SimpleRNN(
        UNITS,
        activation=None,
        use_bias=False,
        kernel_initializer="zeros",
        recurrent_initializer="identity",
        recurrent_dropout=RATE,
        return_sequences=True,
        seed=0,
    )
    theirs = rnn(torch.zeros(N, STEPS, 1), initial_state=torch.ones(N, UNITS), training=True).detach()
    act = stack_noise("recurrent", STATE, [RATE], [0], N).steps("state")
    assert act is not None
    state, states = torch.ones(1, N, UNITS), []
    for t in range(STEPS):
        state = act(state, t)
        states.append(state[0])
    mine = torch.stack(states, 1)
    assert distance(mine, theirs) < 5
    for t in range(1, STEPS + 1):
        for y in (mine, theirs):
            left = (y[:, t - 1] > 0).double()
            assert abs(float(left.mean()) - KEEP) < 5 * math.sqrt(KEEP * RATE / left.numel())
            torch.testing.assert_close(y[:, t - 1].max(), torch.tensor(KEEP**-t), rtol=1e-4, atol=0)


def weights() -> tuple[Tensor, Tensor, Tensor]:
    """Kernel [1, 4 U], recurrent kernel [U, 4 U], bias [4 U], gates in the order i, f, g, o, which is also Keras'.

    Each block of the recurrent kernel is diagonal, so that a unit's trajectory depends on its own masks alone.
    """
    g = torch.Generator().manual_seed(0)
    kernel, diagonal, bias = (torch.randn(s, generator=g) for s in ((1, 4 * UNITS), (4, UNITS), (4 * UNITS,)))
    return kernel, torch.cat([d.diag() for d in 2 * diagonal], 1), bias


X = torch.randn(STEPS, generator=torch.Generator().manual_seed(1))


def trajectory(unit: int, masks: tuple[int, ...]) -> np.ndarray:
    """States of one unit of an LSTM in NumPy, whose state reaches the four gates scaled by masks / keep."""
    kernel, recurrent, bias = (w.double().numpy() for w in weights())
    at = [gate * UNITS + unit for gate in range(4)]
    h, c, out = 0.0, 0.0, []
    for x in X.double().numpy():
        z = kernel[0, at] * x + bias[at] + recurrent[unit, at] * h * np.array(masks) / KEEP
        i, f, o = (1 / (1 + np.exp(-z[gate])) for gate in (0, 1, 3))
        c = f * c + i * np.tanh(z[2])
        h = o * np.tanh(c)
        out.append(h)
    return np.array(out)


def counts(states: Tensor, unit: int) -> dict[tuple[int, ...], int]:
    """How often each pattern of gates' masks explains a unit's trajectory; states [n, T, U]. One explains each, or it fails."""
    patterns = list(itertools.product((0, 1), repeat=4))
    expected = np.stack([trajectory(unit, p) for p in patterns])
    gaps = np.abs(states[:, None, :, unit].double().numpy() - expected).max(2)
    assert gaps.min(1).max() < 1e-5, "a trajectory that no mask held over time explains"
    assert np.all((gaps < 1e-5).sum(1) == 1), "patterns that this test cannot tell apart"
    return {p: int((gaps.argmin(1) == k).sum()) for k, p in enumerate(patterns)}


def test_lstm_keras_has_a_mask_for_each_gate_and_ours_one_for_all(layers: ModuleType) -> None:
    """Both hold masks over a sequence. The difference: Keras draws four, one where the state enters each gate.

    Gal & Ghahramani 2016 (arXiv:1512.05287), section 4.2, call these untied and tied weights. A unit of Keras' is in one of 16
    states, keep^k rate^(4-k) likely with k gates' masks kept; one of ours in two of these, all kept or all dropped.
    """
    n = 4000
    kernel, recurrent, bias = weights()
    x = X.view(1, STEPS, 1).expand(n, -1, -1)
    lstm = layers.LSTM(UNITS, recurrent_dropout=RATE, return_sequences=True, seed=0)
    lstm.build((n, STEPS, 1))
    lstm.set_weights([kernel.numpy(), recurrent.numpy(), bias.numpy()])
    keras_states = lstm(x, training=True).detach()

    layer = Recurrent(1, 1, UNITS, "lstm")
    with torch.no_grad():
        layer.weight_input.copy_(kernel)
        layer.weight_hidden.copy_(recurrent)
        layer.bias_input.copy_(bias)
        layer.bias_hidden.zero_()
        noise = CellNoise(state=stack_noise("recurrent", STATE, [RATE], [0], n).steps("state"))
        our_states = layer(x[None], noise)[0][0]

    for unit in range(UNITS):
        found = counts(keras_states, unit)
        p = {pattern: KEEP ** sum(pattern) * RATE ** (4 - sum(pattern)) for pattern in found}
        assert all(abs(k - n * p[pattern]) < 5 * math.sqrt(n * p[pattern]) for pattern, k in found.items())
        mine = counts(our_states, unit)
        assert mine[0, 0, 0, 0] + mine[1, 1, 1, 1] == n
        assert abs(mine[1, 1, 1, 1] - n * KEEP) < 5 * math.sqrt(n * KEEP * RATE)

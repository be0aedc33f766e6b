"""DropConnect's moment-matched inference against sampled masks and against the closed form."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from noise_kit import site, stack_noise
from torch import Tensor

from dropbench.dropout import dropconnect
from dropbench.sites import Site

BATCH, INPUTS, OUTPUTS, RATE = 8, 100, 12, 0.4
AT = Site("dense", "weight", (INPUTS, OUTPUTS), "IO")


@pytest.fixture(scope="module")
def layer() -> tuple[Tensor, Tensor, Tensor]:
    g = torch.Generator().manual_seed(0)
    shapes = (1, BATCH, INPUTS), (1, INPUTS, OUTPUTS), (1, 1, OUTPUTS)
    x, w, b = (torch.randn(s, generator=g) for s in shapes)
    return x, w / math.sqrt(INPUTS), b


@pytest.fixture(scope="module")
def sampled(layer: tuple[Tensor, Tensor, Tensor]) -> Tensor:
    """Pre-activations under 20,000 masks: 200 seeds, 100 steps."""
    noise = stack_noise("dropconnect", AT, [RATE] * 200, range(200), BATCH)
    x, w, b = (t.expand(200, -1, -1) for t in layer)
    return torch.cat([noise.affine("dense", x, w, b, lambda z: z) for _ in range(100)]).double()


def moments(layer: tuple[Tensor, Tensor, Tensor], rate: float = RATE) -> tuple[Tensor, Tensor]:
    """Mean and standard deviation over masks: each term x w m / keep has variance (x w)^2 rate / (1 - rate)."""
    x, w, b = (t[0].double() for t in layer)
    return x @ w + b, torch.sqrt(((x**2) @ (w**2) + b**2) * rate / (1 - rate))


def inferred(layer: tuple[Tensor, Tensor, Tensor], rate: float = RATE) -> Tensor:
    noise = stack_noise("dropconnect", AT, [rate], [0], BATCH)
    noise.training = False
    return noise.affine("dense", *layer, torch.relu)[0].double()


def test_mean_and_variance_of_the_pre_activation(layer: tuple[Tensor, Tensor, Tensor], sampled: Tensor) -> None:
    mean, sd = moments(layer)
    n = len(sampled)
    assert bool(((sampled.mean(0) - mean).abs() < 5 * sd / math.sqrt(n)).all())
    assert bool(((sampled.var(0) / sd**2 - 1).abs() < 5 * math.sqrt(2 / n)).all())


def test_output_is_the_mean_over_masks(layer: tuple[Tensor, Tensor, Tensor], sampled: Tensor) -> None:
    """Within 0.04 sd: five standard errors of the sampling, and the error of 16 nodes. The layer of the mean is not."""
    mean, sd = moments(layer)
    truth = torch.relu(sampled).mean(0)
    assert float(((inferred(layer) - truth) / sd).abs().max()) < 0.04
    assert float(((torch.relu(mean) - truth) / sd).abs().max()) > 0.2


@pytest.mark.parametrize("rate", [0.05, 0.4, 0.9])
def test_output_is_the_closed_form_of_a_rectified_gaussian(layer: tuple[Tensor, Tensor, Tensor], rate: float) -> None:
    """E[relu(N(m, s^2))] = m Phi(m/s) + s phi(m/s), within 0.0101 s."""
    mean, sd = moments(layer, rate)
    ratio = mean / sd
    density = torch.exp(-(ratio**2) / 2) / math.sqrt(2 * math.pi)
    closed = mean * torch.special.ndtr(ratio) + sd * density
    assert float(((inferred(layer, rate) - closed) / sd).abs().max()) < 0.0101


def test_nodes_have_mean_0_variance_1_and_half_the_error_of_gauss_hermite() -> None:
    nodes = np.array(dropconnect._normal_nodes())
    assert nodes.mean() == pytest.approx(0, abs=1e-12) and np.square(nodes).mean() == pytest.approx(1)
    hermite, weights = np.polynomial.hermite_e.hermegauss(16)
    means = torch.linspace(-4, 4, 4001, dtype=torch.float64)
    closed = means * torch.special.ndtr(means) + torch.exp(-(means**2) / 2) / math.sqrt(2 * math.pi)
    grid = means.numpy()[:, None]
    ours = np.maximum(grid + nodes, 0).mean(1)
    gauss = np.maximum(grid + hermite, 0) @ (weights / weights.sum())
    errors = [float(np.abs(e - closed.numpy()).max()) for e in (ours, gauss)]
    assert 0.0099 < errors[0] < 0.0101 and errors[0] < 0.55 * errors[1]


def test_linear_outputs_are_the_plain_product(layer: tuple[Tensor, Tensor, Tensor]) -> None:
    noise = stack_noise("dropconnect", AT, [RATE], [0], BATCH)
    noise.training = False
    got = noise.affine("dense", *layer, lambda z: z)
    torch.testing.assert_close(got[0].double(), moments(layer)[0], rtol=1e-5, atol=1e-5)


def test_raw_weights_are_untouched_and_noise_switches_off() -> None:
    """Weight-drop that writes its masked weights back never switches off."""
    at = site("weight")
    noise = stack_noise("dropconnect", at, [0.5], [0], 4)
    x, w, b = torch.ones(1, 4, 30), torch.ones(1, 30, 16), torch.ones(1, 1, 16)
    for _ in range(3):
        noise.affine(at.name, x, w, b, torch.relu)
    assert bool((w == 1).all() and (b == 1).all())
    noise.training = False
    assert torch.allclose(noise.affine(at.name, x, w, b, lambda z: z), torch.tensor(31.0))


def test_each_example_has_its_own_mask(layer: tuple[Tensor, Tensor, Tensor]) -> None:
    """By hand, one example and its mask after the other; biases are dropped too."""
    noise, same = (stack_noise("dropconnect.example", AT, [RATE] * 2, [0, 1], BATCH) for _ in range(2))
    x, w, b = (t.expand(2, -1, -1) for t in layer)
    out = noise.affine("dense", x, w, b, torch.relu)
    mask = same._at["dense"][0].mask(BATCH, torch.float32)
    assert tuple(mask.shape) == (2, BATCH, INPUTS + 1, OUTPUTS)
    for k in range(2):
        for example in range(BATCH):
            m = mask[k, example]
            by_hand = torch.relu(x[k, example] @ (w[k] * m[:-1]) + b[k, 0] * m[-1])
            torch.testing.assert_close(out[k, example], by_hand, rtol=1e-4, atol=1e-5)
    assert len(mask.flatten(0, 1).flatten(1).unique(dim=0)) == 2 * BATCH
    assert 0 < float((mask[:, :, -1] == 0).float().mean()) < 1


def test_moments_are_the_same_with_a_mask_an_example(layer: tuple[Tensor, Tensor, Tensor]) -> None:
    """The distribution of one example's output does not know who shares its mask."""
    noise = stack_noise("dropconnect.example", AT, [RATE] * 20, range(20), 100)
    x, w, b = (t.expand(20, -1, -1) for t in layer)
    one = x[:, :1].expand(-1, 100, -1)
    drawn = torch.cat([noise.affine("dense", one, w, b, lambda z: z).flatten(0, 1) for _ in range(5)]).double()
    mean, sd = (t[0] for t in moments(layer))
    n = len(drawn)
    assert bool(((drawn.mean(0) - mean).abs() < 5 * sd / math.sqrt(n)).all())
    assert bool(((drawn.var(0) / sd**2 - 1).abs() < 5 * math.sqrt(2 / n)).all())


def test_all_examples_may_share_one_of_those_masks(layer: tuple[Tensor, Tensor, Tensor]) -> None:
    """For `eval.mode=ensemble`: one thinned network, which is the one that a mask a batch would give."""
    networks = [
        stack_noise(name, AT, [RATE], [0], 1).forked("ensemble", BATCH, shared=True)
        for name in ("dropconnect", "dropconnect.example")
    ]
    one, other = (noise.affine("dense", *layer, torch.relu) for noise in networks)
    assert torch.equal(one, other)


def test_plain_mean_inference_is_the_layer_of_the_mean_weights(layer: tuple[Tensor, Tensor, Tensor]) -> None:
    noise = stack_noise("dropconnect.mean", AT, [RATE], [0], BATCH)
    noise.training = False
    x, w, b = layer
    assert torch.equal(noise.affine("dense", *layer, torch.relu), torch.relu(torch.baddbmm(b, x, w)))
    assert not torch.allclose(noise.affine("dense", *layer, torch.relu)[0].double(), inferred(layer), atol=0.01)

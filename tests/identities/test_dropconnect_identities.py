"""DropConnect on a linear layer: exact moments before the activation, and the ridge penalty that they come to.

Wan et al. 2013 (ICML), section 3.3, in the inverted scaling that is used here. With factors m of mean 1 and variance σ²
= rate / (1 - rate) on each weight and each bias, a unit's input Σ_i m_i x_i w_i + m_b b has

    mean x · w + b,    variance σ² (Σ_i x_i² w_i² + b²).

The mean over masks of a squared error is therefore ‖Y - X W - 1 bᵀ‖² + σ² Σ_io w_io² Σ_n x_ni² + σ² N Σ_o b_o²: the
penalty of dropped inputs for each output by itself, and one on the biases. It does not matter whether examples
share a mask.
"""

from __future__ import annotations

import pytest
import torch
from every_mask import RATES, SINGLE, every_mask, law, normal, standard_errors, standard_errors_of_variance
from hypothesis import given
from hypothesis import strategies as st
from noise_kit import stack_noise
from torch import Tensor

from dropbench.sites import Site

N, IN, OUT = 4, 3, 2
AT = Site("dense", "weight", (IN, OUT), "IO")
SEEDS = st.integers(0, 2**31)


def layer(seed: int) -> tuple[Tensor, Tensor, Tensor]:
    """x [N, IN], W [IN, OUT], b [1, OUT]."""
    return normal(seed, N, IN), normal(seed + 1, IN, OUT), normal(seed + 2, 1, OUT)


def every_input(rate: float, x: Tensor, w: Tensor, b: Tensor) -> tuple[Tensor, Tensor]:
    """Units' inputs under each of the 2^((IN + 1) OUT) masks [M, N, OUT], and the masks' probabilities."""
    masks, p = every_mask(law("dropconnect", rate), (IN + 1) * OUT)
    m = masks.view(-1, IN + 1, OUT)
    return x @ (m[:, :-1] * w) + m[:, -1:] * b, p


def moments(rate: float, x: Tensor, w: Tensor, b: Tensor) -> tuple[Tensor, Tensor]:
    return x @ w + b, rate / (1 - rate) * (x**2 @ w**2 + b**2)


def squared_error(z: Tensor, y: Tensor) -> Tensor:
    return (y - z).square().sum((-2, -1))


def closed_loss(rate: float, x: Tensor, w: Tensor, b: Tensor, y: Tensor) -> Tensor:
    penalty = (w**2 * x.square().sum(0)[:, None]).sum() + N * b.square().sum()
    return squared_error(x @ w + b, y) + rate / (1 - rate) * penalty


@given(rate=RATES, seed=SEEDS)
def test_mean_and_variance_by_every_mask(rate: float, seed: int) -> None:
    z, p = every_input(rate, *layer(seed))
    mean = torch.tensordot(p, z, 1)
    variance = torch.tensordot(p, (z - mean) ** 2, 1)
    expected = moments(rate, *layer(seed))
    torch.testing.assert_close(mean, expected[0], rtol=0, atol=1e-5)
    torch.testing.assert_close(variance, expected[1], rtol=4 * SINGLE, atol=1e-12)


@given(rate=RATES, seed=SEEDS)
def test_inference_matches_both_moments(rate: float, seed: int) -> None:
    """Read off with the identity and the square for the activation: the mean, and the mean's square and the variance."""
    x, w, b = layer(seed)
    noise = stack_noise("dropconnect", AT, [rate], [0], N)
    noise.training = False
    mean, variance = moments(rate, x, w, b)
    first, second = (noise.affine("dense", x[None], w[None], b[None], f)[0] for f in (lambda z: z, torch.square))
    torch.testing.assert_close(first, mean, rtol=0, atol=1e-12 * (1 + float(variance.max())))
    torch.testing.assert_close(second, mean**2 + variance, rtol=4 * SINGLE, atol=1e-12)


@given(rate=RATES, seed=SEEDS)
def test_expected_loss_by_every_mask(rate: float, seed: int) -> None:
    y = normal(seed + 3, N, OUT)
    z, p = every_input(rate, *layer(seed))
    expected, size = p @ squared_error(z, y), p @ squared_error(-z.abs(), y.abs())
    torch.testing.assert_close(
        closed_loss(rate, *layer(seed), y), expected, rtol=0, atol=4 * SINGLE * float(size)
    )  # fmt: skip


@pytest.mark.parametrize("variant", ["dropconnect", "dropconnect.example"])
def test_the_engine_has_these_moments_this_loss_and_this_gradient(variant: str) -> None:
    """12,800 masks: 200 seeds, 64 steps."""
    rate, y, (x, w, b) = 0.25, normal(3, N, OUT), layer(0)
    noise = stack_noise(variant, AT, [rate] * 200, range(200), N)
    stacked = x.expand(200, -1, -1)
    weights, biases = (t.expand(200, -1, -1).clone().requires_grad_() for t in (w, b))
    inputs, losses, gradients = [], [], []
    for _ in range(64):
        z = noise.affine("dense", stacked, weights, biases, lambda z: z)
        loss = squared_error(z, y)
        gradients.append(torch.cat(torch.autograd.grad(loss.sum(), [weights, biases]), 1))
        inputs.append(z.detach())
        losses.append(loss.detach())
    z = torch.cat(inputs)
    mean, variance = moments(rate, x, w, b)
    assert float(standard_errors(z, mean).max()) < 5
    assert float(standard_errors_of_variance(z, variance).max()) < 5
    leaves = [t.clone().requires_grad_() for t in (w, b)]
    closed = closed_loss(rate, x, *leaves, y)
    assert float(standard_errors(torch.cat(losses), closed.detach())) < 5
    gradient = torch.cat(torch.autograd.grad(closed, leaves))
    assert float(standard_errors(torch.cat(gradients), gradient).max()) < 5
    # The same without the penalty is far from it.
    plain = torch.cat(torch.autograd.grad(squared_error(x @ leaves[0] + leaves[1], y), leaves))
    assert float(standard_errors(torch.cat(gradients), plain).max()) > 20

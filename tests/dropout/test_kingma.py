"""Kingma's variational dropout: the noise beside sampled weights, the prior beside the integral that it approximates."""

from __future__ import annotations

import math
from typing import Literal

import numpy as np
import pytest
import torch
from noise_kit import stack_noise
from scipy import integrate, stats
from torch import Tensor

from dropbench.dropout.kingma import Kingma
from dropbench.sites import Site

BATCH, INPUTS, OUTPUTS = 6, 20, 4
AT = Site("dense", "weight", (INPUTS, OUTPUTS), "IO")
Per = Literal["layer", "unit", "weight"]
PER: tuple[Per, ...] = ("layer", "unit", "weight")
G = torch.Generator().manual_seed(0)
X, W, B = (torch.randn(s, generator=G, dtype=torch.float64) for s in ((BATCH, INPUTS), (INPUTS, OUTPUTS), (1, OUTPUTS)))


def rates(per: Per, low: float = 0.1, high: float = 0.8) -> Tensor:
    """[1, ...] as `act_affine` gets them, all different where there are several."""
    shape = Kingma(per=per).rate_shape(AT) or (1, 1)
    return torch.linspace(low, high, math.prod(shape), dtype=torch.float64).view(1, *shape)


def act(variant: Kingma, normals: Tensor, rate: Tensor) -> Tensor:
    k = len(normals)
    x, w, b = (t.expand(k, -1, -1) for t in (X, W, B))
    return variant.act_affine(x, w, b, normals, rate.expand(k, -1, -1), lambda z: z)


@pytest.mark.parametrize("per", PER)
def test_the_same_distribution_as_noise_on_the_weights(per: Per) -> None:
    """Local reparameterisation: mean x·w + b, variance α x²·w², normal; the weights' own noise is drawn here."""
    n, rate = 20_000, rates(per)
    alpha = (rate / (1 - rate))[0]
    local = act(Kingma(per=per), torch.randn(n, BATCH, OUTPUTS, generator=G, dtype=torch.float64), rate)
    noisy = W * (1 + alpha.sqrt() * torch.randn(n, INPUTS, OUTPUTS, generator=G, dtype=torch.float64))
    weights = X @ noisy + B
    mean, variance = X @ W + B, (X**2) @ (alpha * W**2)
    for drawn in (local, weights):
        assert bool(((drawn.mean(0) - mean).abs() < 5 * (variance / n).sqrt()).all())
        assert bool(((drawn.var(0) / variance - 1).abs() < 5 * math.sqrt(2 / n)).all())
    assert stats.ks_2samp(local[:, 0, 0].numpy(), weights[:, 0, 0].numpy()).pvalue > 1e-3


def test_examples_of_a_batch_have_their_own_noise() -> None:
    noise = stack_noise("kingma", AT, [0.5], [0], 4000)
    x = X[:1].float().expand(1, 4000, -1)
    out = noise.affine("dense", x, W.float()[None], B.float()[None], lambda z: z)[0]
    assert len(out.unique(dim=0)) == 4000
    corr = np.corrcoef(out[:-1, 0].numpy(), out[1:, 0].numpy())[0, 1]
    assert abs(corr) < 5 / math.sqrt(4000)


@pytest.mark.parametrize("per", PER)
def test_gradients_of_rates_weights_and_inputs(per: Per) -> None:
    normals = torch.randn(1, BATCH, OUTPUTS, generator=G, dtype=torch.float64)
    tensors = [t[None].clone().requires_grad_() for t in (X, W, B)] + [rates(per).requires_grad_()]

    def step(x: Tensor, w: Tensor, b: Tensor, rate: Tensor) -> Tensor:
        return Kingma(per=per).act_affine(x, w, b, normals, rate, torch.tanh)

    assert torch.autograd.gradcheck(step, tensors)


def exact_divergence(log_alpha: float) -> float:
    """KL(N(w, α w²) ‖ log-uniform) up to the constant that makes it 0 at infinite α: of ε ~ N(1, α), E log|ε| - ½ log α."""
    sd = math.exp(log_alpha / 2)
    # In units of sd about the mean; the logarithm's pole at ε = 0 is at -1/sd.
    value = (
        sum(
            integrate.quad(lambda t: stats.norm.pdf(t) * math.log(abs(1 + sd * t)), a, b, limit=500)[0]
            for a, b in ((-12, -1 / sd), (-1 / sd, 12))
            if a < b
        )
        if 1 / sd < 12
        else integrate.quad(lambda t: stats.norm.pdf(t) * math.log(1 + sd * t), -11, 11)[0]
    )
    at_infinity = -(np.euler_gamma + math.log(2)) / 2  # E log|N(0, 1)|
    return float(value - log_alpha / 2 - at_infinity)


@pytest.mark.parametrize("log_alpha", [-6.0, -4.0, -2.0, 0.0, 2.0, 4.0, 7.0])
def test_penalty_of_a_weight_is_the_divergence(log_alpha: float) -> None:
    """Molchanov et al.'s fit is good to about 0.01 nats; it too is 0 where α is infinite."""
    rate = torch.tensor([1 / (1 + math.exp(-log_alpha))], dtype=torch.float64)
    one = Site("w", "weight", (1, 1), "IO")
    got = float(Kingma().penalty(one, rate, None, 1))
    assert got == pytest.approx(exact_divergence(log_alpha), abs=0.01)


@pytest.mark.parametrize("per", PER)
def test_penalty_counts_every_weight_once(per: Per) -> None:
    """The same rate everywhere is the same penalty however it is shared; `kl` and N scale it."""
    variant, shape = Kingma(per=per), Kingma(per=per).rate_shape(AT)
    rate = torch.stack([torch.full(shape, r) for r in (0.3, 0.9, 0.0)])
    got = variant.penalty(AT, rate, None, 50)
    one = [float(Kingma().penalty(Site("w", "weight", (1, 1), "IO"), torch.tensor([r]), None, 1)) for r in (0.3, 0.9)]
    assert got.tolist() == pytest.approx([one[0] * 80 / 50, one[1] * 80 / 50, 0.0], rel=1e-5)
    assert Kingma(per=per, kl=0.25).penalty(AT, rate, None, 50).tolist() == pytest.approx((got / 4).tolist(), rel=1e-6)


def test_the_penalty_asks_for_more_noise() -> None:
    penalties = [float(Kingma().penalty(AT, torch.tensor([r]), None, 1)) for r in np.linspace(0.001, 0.999, 200)]
    assert penalties == sorted(penalties, reverse=True) and penalties[-1] > 0


@pytest.mark.parametrize("rate", [0.0, 1e-30, 0.5, 1.0])
@pytest.mark.parametrize("per", PER)
def test_no_rate_and_no_silent_input_gives_a_gradient_that_is_no_number(per: Per, rate: float) -> None:
    """A root has no slope at 0: an example without an active input, weights of 0, and a rate of 0."""
    variant = Kingma(per=per)
    shape = variant.rate_shape(AT) or (1, 1)
    r = torch.full((1, *shape), rate, requires_grad=True)
    x, w, b = (t[None].float().clone() for t in (X, W, B))
    x[:, 0] = 0
    w[:, :, 1] = 0
    for t in (x, w, b):
        t.requires_grad_()
    normals = torch.randn(1, BATCH, OUTPUTS, generator=G)
    out = variant.act_affine(x, w, b, normals, r, lambda z: z)
    (out.sum() + variant.penalty(AT, r.view(1, *variant.rate_shape(AT)), None, 10).sum()).backward()
    assert bool(torch.isfinite(out).all())
    assert all(t.grad is not None and bool(torch.isfinite(t.grad).all()) for t in (r, x, w, b))
    if rate == 0:
        assert r.grad is not None and not bool(r.grad.any())


def test_evaluation_is_that_of_the_mean_weights() -> None:
    noise = stack_noise("kingma", AT, [0.4], [0], BATCH)
    noise.training = False
    got = noise.affine("dense", *(t[None].float() for t in (X, W, B)), torch.tanh)
    torch.testing.assert_close(got[0], torch.tanh(X @ W + B).float())


def test_all_examples_may_share_a_draw() -> None:
    """For `eval.mode=ensemble`."""
    noise = stack_noise("kingma", AT, [0.4], [0], 1).forked("ensemble", BATCH, shared=True)
    x, w, b = X[:1].float().expand(1, BATCH, -1), W.float()[None], B.float()[None]
    out = noise.affine("dense", x, w, b, lambda z: z)
    assert torch.equal(out, out[:, :1].expand_as(out))
    noise.advance()
    assert not torch.equal(out, noise.affine("dense", x, w, b, lambda z: z))

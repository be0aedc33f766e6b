"""Concrete dropout: its relaxation, the gradient of its rate, and its prior, each beside what they approximate."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from noise_kit import site, stack_noise
from scipy import integrate
from torch import Tensor

from dropbench.dropout.base import keep_mask
from dropbench.dropout.concrete import Concrete
from dropbench.sites import Site

BITS = torch.arange(-(2**15), 2**15).to(torch.int16).view(1, 1, -1)
"""Every draw there is, once: a mean over them is an expectation, without sampling."""
AT = Site("f", "activation", (48,), "F", reader="next.weight")


def masks(rate: float, temperature: float = 0.1) -> Tensor:
    return Concrete(temperature=temperature).mask(BITS, torch.full((1, 1, 1), rate), torch.float32)[0, 0].double()


def relaxed_mean(rate: float, t: float) -> float:
    """The mean of (1 - z) / (1 - rate) by quadrature."""
    logit = math.log(rate / (1 - rate))
    value, _ = integrate.quad(
        lambda a: (math.exp(-a) / (1 + math.exp(-a)) ** 2) / (1 + math.exp(min((logit + a) / t, 700))),
        -40,
        40,
        points=[-logit],
        limit=400,
    )
    return float(value / (1 - rate))


@pytest.mark.parametrize("rate", [0.02, 0.1, 0.5, 0.9])
@pytest.mark.parametrize("temperature", [0.05, 0.1, 0.5])
def test_mean_of_the_mask_is_that_of_the_relaxation_and_not_quite_1(rate: float, temperature: float) -> None:
    assert float(masks(rate, temperature).mean()) == pytest.approx(relaxed_mean(rate, temperature), rel=2e-4)


@pytest.mark.parametrize(("rate", "mean"), [(0.1, 0.9987), (0.5, 1.0), (0.9, 1.012)])
def test_the_documented_means(rate: float, mean: float) -> None:
    assert float(masks(rate).mean()) == pytest.approx(mean, abs=1e-3)
    second_order = 1 - math.pi**2 / 6 * 0.1**2 * rate * (1 - 2 * rate)
    assert float(masks(rate).mean()) == pytest.approx(second_order, abs=1e-3)


@pytest.mark.parametrize("rate", [0.1, 0.3, 0.8])
def test_a_low_temperature_is_standard_dropout_of_the_same_draws(rate: float) -> None:
    hard = keep_mask(BITS, torch.full((1, 1, 1), rate), torch.float32)[0, 0].double()
    soft = masks(rate, 1e-4)
    assert float((soft - hard).abs().gt(1e-3).double().mean()) < 0.002
    # At any temperature what is dropped for more than half is what `standard` drops, but for the rounding of the rate.
    assert int(((masks(rate) * (1 - rate) < 0.5) != (hard == 0)).sum()) <= 1


@pytest.mark.parametrize("rate", [0.1, 0.4, 0.7])
def test_gradient_of_the_rate_nears_the_exact_one_of_bernoulli_masks(rate: float) -> None:
    """d/dp E[f(m)] of a quadratic f over two independent masks, m = (1 - z) / (1 - p), in closed form."""

    def f(a: Tensor, b: Tensor) -> Tensor:
        return (0.7 * a - 1.3 * b + 0.4).square()

    p = torch.tensor(rate, dtype=torch.float64, requires_grad=True)
    exact = sum(
        (p if za else 1 - p) * (p if zb else 1 - p) * f((1 - za) / (1 - p), (1 - zb) / (1 - p))
        for za in (0.0, 1.0)
        for zb in (0.0, 1.0)
    )
    (truth,) = torch.autograd.grad(exact, p)
    errors = []
    temperatures = (0.3, 0.1, 0.03)
    for temperature in temperatures:
        r = torch.full((1, 1, 1), rate, dtype=torch.float64, requires_grad=True)
        m = Concrete(temperature=temperature).mask(BITS, r, torch.float64)[0, 0]
        # E f(m) = the quadratic's terms from the two moments of a mask, since the masks are independent.
        first, second = m.mean(), m.square().mean()
        mean = 0.49 * second + 1.69 * second - 2 * 0.91 * first.square() + 0.16 + 2 * 0.4 * (0.7 - 1.3) * first
        (slope,) = torch.autograd.grad(mean, r)
        errors.append(abs(slope.item() / truth.item() - 1))
    assert all(error < 1.1 * t for error, t in zip(errors, temperatures, strict=True))  # a bias of first order


@pytest.mark.parametrize("name", ["f", "maps", "steps"])
def test_gradient_of_the_rate_is_autograds_numeric_one(name: str) -> None:
    at = site(name)
    g = torch.Generator().manual_seed(0)
    x = torch.randn(2, 3, *at.shape, generator=g, dtype=torch.float64)
    shape = Concrete().noise_shape(at, 3)
    bits = torch.randint(-(2**15), 2**15, (2, *shape), generator=g).to(torch.int16)
    variant = Concrete(temperature=0.7)  # soft enough for finite differences

    def step(rate: Tensor) -> Tensor:
        wide = rate.view(-1, *(1,) * (x.ndim - 1))
        return variant.act(x, variant.mask(bits, wide, torch.float64), wide)

    assert torch.autograd.gradcheck(step, [torch.tensor([0.3, 0.6], dtype=torch.float64, requires_grad=True)])


@settings(max_examples=30)
@given(rate=st.floats(0, 1, exclude_max=True))
def test_no_rate_gives_a_gradient_that_is_no_number(rate: float) -> None:
    r = torch.full((1, 1, 1), rate, requires_grad=True)
    mask = Concrete().mask(BITS, r, torch.float32)
    weight = torch.ones(1, 48, 5, requires_grad=True)
    penalty = Concrete().penalty(AT, r.view(1), weight, 100)
    (mask.sum() + penalty.sum()).backward()
    assert r.grad is not None and weight.grad is not None
    assert bool(torch.isfinite(mask).all() and torch.isfinite(r.grad).all() and torch.isfinite(weight.grad).all())
    if float(r.detach()) == 0:
        assert bool((mask == 1).all()) and not bool(penalty.any())
        assert not bool(r.grad.any()) and not bool(weight.grad.any())


@pytest.mark.parametrize(("name", "features"), [("f", 48), ("maps", 16), ("steps", 24)])
def test_penalty_is_the_divergence_of_the_masked_weights(name: str, features: int) -> None:
    """Equations 2-4 for M, the weights under masks of zeros and ones: inverted scaling trains W = (1 - p) M."""
    w = np.random.default_rng(0).normal(size=(features, 7))
    p, n, length = 0.3, 123, 0.5
    m = w / (1 - p)
    entropy = -p * math.log(p) - (1 - p) * math.log(1 - p)
    by_hand = (length**2 * (1 - p) / 2 * (m**2).sum() - features * entropy) / n
    got = Concrete(length_scale=length).penalty(
        site(name), torch.tensor([p, 0.0]), torch.tensor(np.stack([w, w])).float(), n
    )
    assert got.tolist() == pytest.approx([by_hand, 0.0], rel=1e-5)


def test_the_prior_alone_neither_takes_the_rate_to_0_nor_to_1() -> None:
    """Without data and weights the entropy decides, for a half; large weights lower the rate."""

    def best(scale: float) -> float:
        rates = torch.linspace(0.001, 0.999, 999)
        weight = torch.full((1, 48, 10), scale)
        values = [float(Concrete(length_scale=1.0).penalty(AT, r.view(1), weight, 1)) for r in rates]
        return float(rates[int(np.argmin(values))])

    assert best(0.0) == pytest.approx(0.5, abs=2e-3)
    assert 0 < best(2.0) < best(0.5) < best(0.1) <= 0.5


def test_one_draw_a_feature_or_channel() -> None:
    shapes = {name: Concrete().noise_shape(site(name), 4) for name in ("f", "maps", "steps")}
    assert shapes == {"f": (4, 48), "maps": (4, 16, 1, 1), "steps": (4, 1, 24)}


def test_a_site_that_no_single_layer_reads_is_refused_with_the_reason() -> None:
    alone, nodes = Site("x", "activation", (3,), "F"), Site("x", "activation", (9, 3), "NF", reader="w")
    assert Concrete().supports(site("f")) is None
    assert "no single layer reads x" in (Concrete().supports(alone) or "")
    assert "none of them" in (Concrete().supports(nodes) or "")


def test_evaluation_is_the_identity() -> None:
    noise = stack_noise("concrete", site("maps"), [0.4], [0], 3)
    noise.training = False
    x = torch.randn(1, 3, 16, 5, 4, generator=torch.Generator().manual_seed(0))
    assert torch.equal(noise("maps", x), x)

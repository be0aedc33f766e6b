"""Standout by hand, and where it becomes classic dropout."""

from __future__ import annotations

import math

import pytest
import torch
from noise_kit import SET_UP, site, stack_noise
from torch import Tensor

from dropbench.dropout.standout import Standout
from dropbench.engine.noise import StackNoise
from dropbench.nn.product import affine
from dropbench.sites import Site

AT = site("weight")
OUT = Site(AT.name, "activation", (16,), "F")  # of the same name, so of the same stream
G = torch.Generator().manual_seed(0)
X, W, B = (torch.randn(s, generator=G) for s in ((1, 500, 30), (1, 30, 16), (1, 1, 16)))
RATE = 0.4


def passed(variant: Standout, rate: float, training: bool, x: Tensor = X, steps: int = 1) -> Tensor:
    """[steps, B, O] of a relu layer."""
    noise = StackNoise(variant, [AT], [{AT.name: rate}], [0], x.shape[1], torch.device("cpu"))
    noise.training = training
    return torch.cat([noise.affine(AT.name, x, W, B, torch.relu) for _ in range(steps)])


def keep(h: Tensor, slope: float, rate: float) -> Tensor:
    return torch.sigmoid(slope * h.double() + math.log((1 - rate) / rate))


@pytest.mark.parametrize("slope", [1.0, 3.0, -0.5])
def test_a_unit_is_kept_as_often_as_its_input_says(slope: float) -> None:
    steps = 400
    h = (X @ W + B)[0]
    out = passed(Standout(slope=slope), RATE, True, steps=steps)
    p = keep(h, slope, RATE)
    active = h > 0  # the others are 0, kept or not
    kept = (out != 0).double().mean(0)
    assert bool(torch.isin(out[:, active] / h[active], torch.tensor([0.0, 1.0])).all())
    bins = torch.bucketize(p[active], torch.linspace(0, 1, 11, dtype=torch.float64))
    for b in bins.unique():
        expected, n = p[active][bins == b], int((bins == b).sum()) * steps
        spread = float((expected * (1 - expected)).mean())
        assert abs(float((kept[active][bins == b] - expected).mean())) < 5 * math.sqrt(spread / n) + 2**-16


@pytest.mark.parametrize("slope", [1.0, -2.0])
def test_evaluation_multiplies_by_the_chance_of_being_kept(slope: float) -> None:
    h = (X @ W + B)[0]
    expected = torch.relu(h) * keep(h, slope, RATE)
    difference = passed(Standout(slope=slope), RATE, False)[0].double() - expected
    assert bool((difference.abs() <= h.abs() * 2**-16 + 1e-6).all())  # 16 bits, of which one at least keeps


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("rate", [0.1, 0.5, 0.77])
def test_at_slope_0_it_is_classic_exactly(rate: float, training: bool) -> None:
    classic = stack_noise("classic", OUT, [rate], [0], 500)
    classic.training = training
    expected = classic(AT.name, torch.relu(torch.baddbmm(B, X, W)))
    assert torch.equal(passed(Standout(slope=0.0), rate, training), expected)


@pytest.mark.parametrize("slope", [1.0, -1.0])
@pytest.mark.parametrize("scale", [1.0, 1e4, 1e30])
def test_inputs_of_any_size_give_numbers(slope: float, scale: float) -> None:
    for rate in (0.0, 1e-6, 0.5, 0.999):
        for training in (True, False):
            out = passed(Standout(slope=slope), rate, training, X * scale)
            assert bool(torch.isfinite(out).all())
            assert rate > 0 or torch.equal(out, torch.relu(torch.baddbmm(B, X * scale, W)))


def test_gradients_take_the_mask_as_given() -> None:
    x, w = X.clone().requires_grad_(), W.clone().requires_grad_()
    noise = stack_noise("standout", AT, [RATE], [0], 500)
    out = noise.affine(AT.name, x, w, B, torch.relu)
    mask = (out != 0).float()
    got = torch.autograd.grad(out.square().sum(), (x, w))
    by_hand = torch.autograd.grad((torch.relu(affine(x, w, B)) * mask).square().sum(), (x, w))
    for a, b in zip(got, by_hand, strict=True):
        torch.testing.assert_close(a, b)


def test_one_draw_for_all_examples_is_compared_with_each_ones_own_chance() -> None:
    """For `eval.mode=ensemble`: whoever is likelier to be kept is kept wherever a likelier one to be dropped is."""
    noise = stack_noise("standout", AT, [RATE], [0], 1).forked("ensemble", 500, shared=True)
    out = noise.affine(AT.name, X, W, B, torch.exp)[0]  # never 0 by itself
    h = (X @ W + B)[0]
    dropped = out == 0
    assert bool(dropped.any()) and not bool(dropped.all())
    for unit in range(16):
        lost, kept = h[dropped[:, unit], unit], h[~dropped[:, unit], unit]
        assert len(lost) == 0 or len(kept) == 0 or float(lost.max()) <= float(kept.min())


def test_the_default_slope_is_that_of_the_conf() -> None:
    made = SET_UP["standout"]
    assert isinstance(made, Standout) and Standout().slope == made.slope == 1.0

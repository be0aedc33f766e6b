"""The contract of a variant, over the folder: a new file is tested the day it appears.

Statistics are of fixed seeds and within five standard errors, so that none of them fails by chance twice.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from unittest.mock import patch

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from noise_kit import CASES, SET_UP, SITES, VARIANTS, case_id, draws, factor, independent, inputs, stack_noise, through

from dropbench.dropout.base import Variant
from dropbench.dropout.standard import Standard
from dropbench.engine import streams
from dropbench.sites import Site

RATES = (0.1, 0.25, 0.5, 0.9)
SEEDS = (0, 1, 2, 3)
RATE = st.floats(0, 0.99)

NOTHING_IS_DROPPED = {"gaussian", "kingma", "kingma.weight", "shake_shake", "shake_shake.batch"}
"""Multiplies by N(1, rate / (1 - rate)), which is never zero: its rate is that of the Bernoulli noise of that variance. Of two
branches by U(1 - 2 rate, 1 + 2 rate): its rate is how far half of it may be from 1/2."""
UNIFORM = {"shake_shake", "shake_shake.batch"}
SOFT = {"concrete"}
"""A relaxation drops a share of an element between 0 and 1 (Gal et al. 2017, section 4): more than half counts as dropped."""
SHAKES = {"shake_drop"}
"""A branch that is not kept comes out times a number in (-1, 1), and its gradient is not the slope of what comes out (Yamada et
al. 2018): tests/dropout/test_shake_drop.py."""
GOES_BACK_OTHERWISE = SHAKES | UNIFORM
"""The gradient is not the slope of what comes out."""
ACTS_IN_EVALUATION = {"shake_drop", "dropconnect", "dropconnect.example", "classic", "standout", "zoneout"}
"""Moment matching (Wan et al. 2013, section 3.3), scaling (Srivastava et al. 2014, section 4), or multiplying by the
probability of keeping (Ba & Frey 2013, section 2), or the expectation of a step (Krueger et al. 2017, section 3), instead
of the identity; and so of what shakes."""
ONE_DRAW_A_BATCH = {
    "weight_drop",
    "embedding.batch",
    "standard.batch",
    "stochastic_depth.batch",
    "shake_shake.batch",
    "layer_drop",
}
"""Examples share it by intent (Merity et al. 2017, sections 2 and 4.3; Huang et al. 2016, section 3; Fan et al. 2019, section
3.2), as they do at a weight site."""
DRAWS_FOR_AN_INPUT = {"standout"}
"""Whether an element is dropped depends on the input, so the mask is the draw itself, whatever the precision."""


def _alpha(rate: float) -> float:
    """keep · a, a = (keep + α'² keep (1 - keep))^(-1/2), of Klambauer et al. 2017."""
    return (1 - rate) / math.sqrt((1 - rate) * (1 + rate * 1.7580993408**2))


EXPECTATION: dict[str, Callable[[float], float]] = {
    "classic": lambda rate: 1 - rate,  # and evaluation shrinks as much
    "unscaled": lambda rate: 1 - rate,  # and evaluation does not: that is the bug
    "standout": lambda rate: 1 - rate,  # at input 0; evaluation shrinks as much
    "concrete": lambda rate: 1 - math.pi**2 / 600 * rate * (1 - 2 * rate),  # tests/dropout/test_concrete.py, at 0.1
    "zoneout": lambda rate: 1 - rate,  # of the new state; the old one has the rest: tests/dropout/test_zoneout.py
    "drop_edge": lambda rate: 1 - rate,  # degrees are counted anew, which takes the place of a scale (Rong et al. 2020)
    "shake_drop": lambda rate: 1 - rate,  # and evaluation shrinks as much
    "patch_dropout": lambda rate: (
        1 - rate
    ),  # what is left is a shorter sequence, and nothing is scaled (Liu et al. 2022)
    "alpha": _alpha,  # mean 0 and variance 1 of the layer are kept instead: tests/dropout/test_alpha.py
}
"""The mean of what multiplies an element in training, where it is not 1."""


def error(variant: str, rate: float, n: int) -> float:
    """The standard error of the mean of n factors, by that mean: a number in (-1, 1) has a variance of 1/3, and 0 has none."""
    more = 1 / (3 * (1 - rate)) if variant in SHAKES else 0
    return math.sqrt(variance(variant, rate) * (1 + more) / n)


def variance(variant: str, rate: float) -> float:
    """Of a factor, by the square of its mean."""
    return (2 * rate) ** 2 / 3 if variant in UNIFORM else rate / (1 - rate)


over_cases = pytest.mark.parametrize(("variant", "at"), CASES, ids=case_id)


def test_each_variant_that_acts_has_a_site_in_this_test() -> None:
    missing = {name for name, v in VARIANTS.items() if v.kinds} - {name for name, _ in CASES}
    assert not missing, "add a site of their kind to tests/noise_kit.py"


@over_cases
def test_measured_drop_fraction_is_the_rate(variant: str, at: Site) -> None:
    drawn, n = draws(variant, at, RATES, SEEDS, 60_000)
    for rate, row in zip(RATES, drawn, strict=True):
        dropped = int(
            (row * (1 - rate) < 0.5).sum() if variant in SOFT else (row != 1 if variant in SHAKES else row == 0).sum()
        )
        if variant in NOTHING_IS_DROPPED:
            assert dropped == 0
            expected = variance(variant, rate)
            assert abs(float(row.var()) - expected) < 5 * expected * math.sqrt(2 / n)
        else:
            assert abs(dropped - n * rate) < 5 * math.sqrt(n * rate * (1 - rate))


@over_cases
def test_expectation_is_preserved(variant: str, at: Site) -> None:
    drawn, n = draws(variant, at, RATES, SEEDS, 60_000)
    for rate, row in zip(RATES, drawn, strict=True):
        mean = EXPECTATION.get(variant, lambda rate: 1.0)(rate)
        assert abs(float(row.mean()) / mean - 1) < 5 * error(variant, rate, n)


@over_cases
def test_evaluation_scales_by_the_expectation_of_training(variant: str, at: Site) -> None:
    """For what is linear after it, then, evaluation is the mean over masks; but for the bug, alpha and what leaves parts."""
    drawn, n = draws(variant, at, RATES, SEEDS, 60_000)
    noise = stack_noise(variant, at, RATES, SEEDS, 4)
    noise.training = False
    evaluated = factor(noise, at, len(RATES), 4).double()
    for rate, row, scale in zip(RATES, drawn, evaluated.flatten(1), strict=True):
        torch.testing.assert_close(scale, scale[:1].expand_as(scale), rtol=1e-5, atol=1e-5)
        far = abs(float(row.mean() / scale[0]) - 1) > 5 * error(variant, rate, n)
        assert far == (variant in {"unscaled", "alpha", "drop_edge", "patch_dropout"})


@over_cases
@pytest.mark.parametrize("training", [True, False])
def test_rate_0_is_the_identity_exactly(variant: str, at: Site, training: bool) -> None:
    """Also beside a replica whose noise is on."""
    tensors = inputs(at, 2, 5)
    noise = stack_noise(variant, at, [0.0, 0.5], [0, 0], 5)
    plain = stack_noise(variant, at, [0.0, 0.0], [0, 0], 5)
    noise.training = training
    out, untouched = through(noise, at, tensors), through(plain, at, tensors)
    assert torch.equal(out[0], untouched[0])
    assert (variant not in ACTS_IN_EVALUATION and not training) or not torch.equal(out[1], untouched[1])
    assert at.kind == "weight" or torch.equal(untouched, tensors[0])


@over_cases
def test_evaluation_is_deterministic_and_draws_nothing(variant: str, at: Site) -> None:
    tensors = inputs(at, 2, 5)
    noise, reference = (stack_noise(variant, at, [0.3, 0.6], [0, 1], 5) for _ in range(2))
    plain = stack_noise(variant, at, [0.0, 0.0], [0, 1], 5)
    noise.training = False
    first, second = through(noise, at, tensors), through(noise, at, tensors)
    assert torch.equal(first, second)
    assert torch.equal(first, through(plain, at, tensors)) == (variant not in ACTS_IN_EVALUATION)
    noise.training = True
    assert torch.equal(factor(noise, at, 2, 5), factor(reference, at, 2, 5))


@over_cases
def test_same_stream_same_mask(variant: str, at: Site) -> None:
    a, b = (stack_noise(variant, at, [0.5], [0], 8) for _ in range(2))
    for _ in range(3):
        assert torch.equal(factor(a, at, 1, 8), factor(b, at, 1, 8))


def agree(a: torch.Tensor, b: torch.Tensor) -> bool:
    """Whether two sets of draws at rate 1/2 fall on the same side of their mean as often as independent ones do."""
    same = (a > a.mean()) == (b > b.mean())
    return abs(int(same.sum()) - same.numel() / 2) < 5 * math.sqrt(same.numel()) / 2


@over_cases
def test_draws_are_independent_between_examples_and_along_every_other_axis(variant: str, at: Site) -> None:
    noise = stack_noise(variant, at, [0.5], [0], 64)
    drawn = independent(variant, at, 64, factor(noise, at, 1, 64))
    for axis, n in enumerate(drawn.shape[1:], 1):
        if n > 1:
            assert agree(drawn.narrow(axis, 0, n - 1), drawn.narrow(axis, 1, n - 1))
    assert at.kind == "weight" or variant in ONE_DRAW_A_BATCH or drawn.shape[1] == 64


@over_cases
def test_masks_differ_between_steps_sites_and_seeds(variant: str, at: Site) -> None:
    other = replace(at, name=f"{at.name}.other")
    noise = stack_noise(variant, [at, other], [0.5] * 3, [0, 1, 2], 64)
    first, elsewhere, later = (
        independent(variant, at, 64, factor(noise, s, 3, 64)) for s in (at, other, at)
    )  # fmt: skip
    assert agree(first, later) and agree(first, elsewhere)
    assert agree(first[0], first[1]) and agree(first[1], first[2]) and agree(first[0], first[2])


@over_cases
@settings(max_examples=15)
@given(rates=st.tuples(RATE, RATE), seed=st.integers(0, 2**40))
def test_arms_of_one_seed_are_paired(variant: str, at: Site, rates: tuple[float, float], seed: int) -> None:
    """What is kept at the higher rate is kept at the lower; Gaussian noise is the same noise on another scale."""
    low, high = sorted(rates)
    less, more = factor(stack_noise(variant, at, [low, high], [seed, seed], 16), at, 2, 16)
    if variant in NOTHING_IS_DROPPED:
        scale = [math.sqrt(variance(variant, r)) for r in (low, high)]
        torch.testing.assert_close((less - 1) * scale[1], (more - 1) * scale[0], atol=1e-5 * (1 + scale[1]), rtol=1e-5)
    elif variant in SHAKES:
        assert bool(((more != 1) | (less == 1)).all())
    else:
        assert bool(((more == 0) | (less != 0)).all())


@pytest.mark.parametrize(("variant", "at"), [case for case in CASES if case[0] not in GOES_BACK_OTHERWISE], ids=case_id)
def test_gradients_equal_autograds_numeric_check(variant: str, at: Site) -> None:
    """With the mask fixed, and down to the raw weight and bias where it is these that are dropped."""
    small = replace(at, shape=tuple(min(n, 2 + i) for i, n in enumerate(at.shape)))
    tensors = [t.requires_grad_() for t in inputs(small, 2, 3, torch.float64)]

    def step(*given: torch.Tensor) -> torch.Tensor:
        return through(stack_noise(variant, small, [0.3, 0.5], [0, 1], 3), small, given)

    assert torch.autograd.gradcheck(step, tensors)
    assert all(bool(g.any()) for g in torch.autograd.grad(step(*tensors).sum(), tensors))


@over_cases
@settings(max_examples=10)
@given(
    replicas=st.lists(st.tuples(st.integers(0, 3), st.sampled_from(RATES)), min_size=1, max_size=5),
    block=st.sampled_from([1, 20_000, 2**22]),
)
def test_a_replicas_mask_is_its_own(variant: str, at: Site, replicas: list[tuple[int, float]], block: int) -> None:
    """It depends neither on how many replicas there are, nor on its place among them, nor on the length of a block."""
    seeds, rates = zip(*replicas, strict=True)
    with patch.object(streams, "_BLOCK_BYTES", block):
        together = stack_noise(variant, at, rates, seeds, 8)
        got = [factor(together, at, len(rates), 8) for _ in range(3)]
    for k, (seed, rate) in enumerate(replicas):
        alone = stack_noise(variant, at, [rate], [seed], 8)
        assert all(torch.equal(g[k], factor(alone, at, 1, 8)[0]) for g in got)


@pytest.mark.parametrize(
    ("variant", "at"), [(name, at) for name, at in CASES if name not in DRAWS_FOR_AN_INPUT], ids=case_id
)
@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16, torch.float64])
def test_other_precisions_drop_the_same_elements(variant: str, at: Site, dtype: torch.dtype) -> None:
    masks = [
        stack_noise(variant, at, [0.1, 0.5], [0, 0], 8)._at[at.name][0].mask(8, d) for d in (torch.float32, dtype)
    ]  # fmt: skip
    assert masks[1].dtype == dtype
    torch.testing.assert_close(masks[1].float(), masks[0], rtol=2**-8, atol=2**-9)
    assert torch.equal(masks[0] == 0, masks[1] == 0)


@pytest.mark.parametrize("variant", VARIANTS)
def test_where_it_cannot_act_it_says_why(variant: str) -> None:
    for at in SITES:
        reason = VARIANTS[variant].supports(at)
        assert reason is None or (reason == reason.strip(" .") and len(reason.split()) > 2 and "\n" not in reason)


ACTIVATION = [(variant, at) for variant, at in CASES if at.kind == "activation" and at.axes == "F"]


@pytest.mark.parametrize(("variant", "at"), ACTIVATION, ids=case_id)
@pytest.mark.parametrize("training", [True, False])
def test_a_dense_layer_may_take_its_noise_in_one_step(variant: str, at: Site, training: bool) -> None:
    """Whatever way `dense` goes, what comes out and its gradients are those of `affine`, ReLU and noise in turn."""
    width = at.shape[0]
    x, weight, bias = torch.randn(2, 8, 5), torch.randn(2, 5, width), torch.randn(2, 1, width)
    results = []
    for at_once in (True, False):
        noise = stack_noise(variant, at, [0.4, 0.0], [3, 4], 8)
        noise.training = training
        given = [t.clone().requires_grad_() for t in (x, weight, bias)]
        if at_once:
            out = noise.dense(at.name, *given, torch.relu)
        else:
            out = noise(at.name, torch.relu(torch.baddbmm(given[2], given[0], given[1])))
        results.append([out, *torch.autograd.grad(out.square().sum(), given)])
    for mine, expected in zip(*results, strict=True):
        torch.testing.assert_close(mine, expected, rtol=1e-5, atol=1e-5)


def test_one_step_is_told_of_masks_that_may_be_negative() -> None:
    """Of others it tells by the sign of what comes out which units' ReLU was above zero."""
    seen = 0
    for variant, at in CASES:
        noise = stack_noise(variant, at, [0.3, 0.9], [0, 1], 8)
        ((own,),) = noise._at.values()
        if own.fuses and not own.signed and at.kind == "activation":
            assert (own.mask(8, torch.float32) >= 0).all(), variant
            seen += 1
    assert seen >= 5


def untrue(made: Variant, at: Site = SITES[0]) -> list[str]:
    """What a variant of a site that is no weight or transition says of itself and does not do."""
    generator = torch.Generator().manual_seed(1)
    shape = (2, *made.noise_shape(at, 8))
    bits = torch.randint(-(2**15), 2**15, shape, dtype=torch.int16, generator=generator)
    noise = torch.randn(shape, generator=generator) if made.draws == "normal" else bits
    rate = torch.tensor([0.3, 0.7]).view(-1, *(1,) * (len(shape) - 1))
    mask = made.mask(noise, rate, torch.float32)
    x = torch.randn(2, *(8,) * (len(shape) > 1 + len(at.shape)), *at.shape, generator=generator)
    kept = (bits.long() + 2**15 < torch.round((1 - rate) * 2**16)).float()
    flipped = kept / (1 - rate) if made.scales else kept
    true = {
        "multiplies": torch.equal(made.act(x, mask, rate), x * mask),
        "rests": torch.equal(made.evaluate(x, rate), x),
        "flips": mask.shape == kept.shape and torch.allclose(mask, flipped, atol=1e-4),
    }
    return [name for name, value in true.items() if value != getattr(made, name)]


@pytest.mark.parametrize(
    ("variant", "at"),
    [(n, at) for n, at in CASES if at.kind not in ("weight", "transition") and n not in GOES_BACK_OTHERWISE],
    ids=case_id,
)
def test_what_a_variant_says_of_itself_is_true(variant: str, at: Site) -> None:
    """The engine goes by it: what only multiplies is fused with the layer before, what rests is left out in evaluation."""
    assert not untrue(SET_UP[variant], at)


def test_a_variant_that_says_what_it_does_not_do_is_found() -> None:
    class Shifts(Variant):
        multiplies = rests = True

        def act(self, x: torch.Tensor, mask: torch.Tensor, rate: torch.Tensor) -> torch.Tensor:
            return x * mask + rate

        def evaluate(self, x: torch.Tensor, rate: torch.Tensor) -> torch.Tensor:
            return x + rate

    class Halves(Variant):
        flips = True

        def mask(self, noise: torch.Tensor, rate: torch.Tensor, dtype: torch.dtype) -> torch.Tensor:
            return super().mask(noise, rate, dtype) / 2

    assert untrue(Shifts()) == ["multiplies", "rests"] and untrue(Halves()) == ["flips"]


def test_a_variant_that_says_nothing_is_known_by_what_it_overrides() -> None:
    """A user's own, that is: of itself, of a class between, and of one beside."""

    class Shifts(Variant):
        def act(self, x: torch.Tensor, mask: torch.Tensor, rate: torch.Tensor) -> torch.Tensor:
            return x * mask + rate

    class Grandchild(Shifts):
        pass

    class Beside:
        def evaluate(self, x: torch.Tensor, rate: torch.Tensor) -> torch.Tensor:
            return x + rate

    class Mixed(Beside, Standard):  # type: ignore[misc]
        pass

    for made in (Shifts(), Grandchild()):
        assert (made.multiplies, made.rests, made.flips) == (False, True, True) and not untrue(made)
    assert (Mixed().multiplies, Mixed().rests, Mixed().flips) == (True, False, True) and not untrue(Mixed())

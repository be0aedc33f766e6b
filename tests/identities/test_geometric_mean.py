"""The normalised geometric mean of all thinned networks is the weight-scaled network, exactly, for one logistic unit.

Baldi & Sadowski 2013 (NIPS, "Understanding dropout") and 2014 (Artificial Intelligence 210, 78-122). Over the 2^d
subnetworks N of a unit O = σ(S), S = Σ_j w_j m_j x_j, with G = Π_N O(N)^P(N) and G' = Π_N (1 - O(N))^P(N) let NWGM = G
/ (G + G'). Then

    log (NWGM / (1 - NWGM)) = log G - log G' = Σ_N P(N) log (O(N) / (1 - O(N))) = Σ_N P(N) S(N) = E S = μ Σ_j w_j x_j,

because a logistic's log odds are its input. So NWGM = σ(μ w · x): what `classic` evaluates by scaling with keep, and
inverted dropout (μ = 1) by leaving things as they are. A softmax's log probabilities are its inputs up to a constant of
each N, so the same holds of the renormalised geometric mean of the predictions (Warde-Farley et al. 2014,
arXiv:1312.6197; Goodfellow, Bengio & Courville 2016, section 7.12). With hidden layers it is an approximation, and the
arithmetic mean is another number throughout.
"""

from __future__ import annotations

import numpy as np
import pytest
import torch
from every_mask import ELEMENTWISE, RATES, SINGLE, every_mask, law, vector
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from noise_kit import stack_noise
from torch import Tensor
from torch.nn.functional import logsigmoid

BERNOULLI = [v for v in ELEMENTWISE if v != "gaussian"]


@st.composite
def units(draw: st.DrawFn, classes: int = 1) -> tuple[Tensor, Tensor]:
    """x [d] and W [classes, d], large enough to saturate."""
    d = draw(st.integers(1, 7))
    x, w = (draw(arrays(np.float64, s, elements=st.floats(-6, 6, allow_subnormal=False))) for s in ((d,), (classes, d)))
    return torch.from_numpy(x), torch.from_numpy(w)


def inputs_of_every_subnetwork(variant: str, rate: float, x: Tensor, w: Tensor) -> tuple[Tensor, Tensor]:
    """S(N) [2^d, classes] and P(N) [2^d]."""
    masks, p = every_mask(law(variant, rate), len(x))
    return masks @ (w * x).T, p


def evaluated(variant: str, rate: float, x: Tensor, w: Tensor) -> Tensor:
    """S in evaluation, [classes]."""
    at = vector(len(x))
    noise = stack_noise(variant, at, [rate], [0], 1)
    noise.training = False
    return w @ noise(at.name, x[None, None])[0, 0]


def slack(x: Tensor, w: Tensor) -> float:
    """What the rounding of the scale, and of sums of 2^d terms, may move an input S by."""
    return (SINGLE + 1e-13) * float((w.abs() @ x.abs()).max()) + 1e-13


@pytest.mark.parametrize("variant", [v for v in BERNOULLI if v != "unscaled"])
@given(unit=units(), rate=RATES)
def test_logistic_unit(variant: str, unit: tuple[Tensor, Tensor], rate: float) -> None:
    s, p = inputs_of_every_subnetwork(variant, rate, *unit)
    log_g, log_g_complement = p @ logsigmoid(s), p @ logsigmoid(-s)
    nwgm = 1 / (1 + torch.exp(log_g_complement - log_g))
    torch.testing.assert_close(nwgm, torch.sigmoid(evaluated(variant, rate, *unit)), rtol=0, atol=slack(*unit))


@pytest.mark.parametrize("variant", [v for v in BERNOULLI if v != "unscaled"])
@given(unit=units(classes=3), rate=RATES)
def test_softmax(variant: str, unit: tuple[Tensor, Tensor], rate: float) -> None:
    s, p = inputs_of_every_subnetwork(variant, rate, *unit)
    geometric = torch.softmax(p @ torch.log_softmax(s, 1), 0)
    torch.testing.assert_close(geometric, torch.softmax(evaluated(variant, rate, *unit), 0), rtol=0, atol=slack(*unit))


@given(unit=units(), rate=RATES)
def test_the_bugs_evaluation_has_log_odds_larger_by_one_over_keep(unit: tuple[Tensor, Tensor], rate: float) -> None:
    s, p = inputs_of_every_subnetwork("unscaled", rate, *unit)
    log_odds = p @ logsigmoid(s) - p @ logsigmoid(-s)
    torch.testing.assert_close(log_odds, (1 - rate) * evaluated("unscaled", rate, *unit), rtol=0, atol=slack(*unit))


@pytest.mark.parametrize("rate", [0.25, 0.5])
def test_the_arithmetic_mean_is_another_number_and_nearer_to_a_half(rate: float) -> None:
    """All inputs S of one sign: σ is concave there, so by Jensen the mean of σ(S) is below σ of the mean."""
    x, w = torch.linspace(0.5, 2, 6, dtype=torch.float64), torch.ones(1, 6, dtype=torch.float64)
    s, p = inputs_of_every_subnetwork("classic", rate, x, w)
    arithmetic, scaled = float(p @ torch.sigmoid(s)), float(torch.sigmoid(evaluated("classic", rate, x, w)))
    assert 0.5 < arithmetic < scaled - 0.005

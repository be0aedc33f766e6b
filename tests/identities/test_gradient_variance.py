"""The variance of a dropped gradient, in closed form.

One linear unit, one example, squared error E = ½ (y - Σ_k m_k a_k)² with a_k = w_k x_k and independent factors m whose
raw moments are M_n = E mⁿ. Put R_j = y - Σ_{k≠j} m_k a_k, which is independent of m_j. Then

    g_j = ∂E/∂w_j = -x_j m_j (R_j - m_j a_j),
    E g_j  = -x_j (M1 ρ - M2 a_j),                            ρ = E R_j = y - M1 Σ_{k≠j} a_k,
    E g_j² = x_j² (M2 (ρ² + s²) - 2 M3 a_j ρ + M4 a_j²),      s² = Var R_j = (M2 - M1²) Σ_{k≠j} a_k².

For inverted dropout M_n = keep^(1-n), and with e = ρ - a_j / keep, the residual when j is kept, these come to

    Var g_j = x_j² (rate / keep · e² + rate / keep² · Σ_{k≠j} a_k²):

the first term is that j is dropped or not, the second that the others are. For N(1, σ²) the moments are 1, 1 + σ², 1 +
3σ² and 1 + 6σ² + 3σ⁴. Examples with masks of their own add their variances.
"""

from __future__ import annotations

import pytest
import torch
from every_mask import (
    ELEMENTWISE,
    RATES,
    SINGLE,
    every_mask,
    law,
    normal,
    sampled_gradients,
    standard_errors_of_variance,
)
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor


def raw_moments(variant: str, rate: float) -> list[float]:
    """M1 ... M4, from the rate alone."""
    keep, s = 1 - rate, rate / (1 - rate)
    if variant == "gaussian":
        return [1, 1 + s, 1 + 3 * s, 1 + 6 * s + 3 * s * s]
    scale = 1 / keep if variant == "standard" else 1.0
    return [keep * scale**n for n in (1, 2, 3, 4)]


def closed_form(moments: list[float], x: Tensor, y: Tensor, w: Tensor) -> Tensor:
    """Var g_j of one example, [d]; x [d], y []."""
    m1, m2, m3, m4 = moments
    a = x * w
    rho = y - m1 * (a.sum() - a)
    spread = (m2 - m1**2) * (a.square().sum() - a.square())
    second = m2 * (rho**2 + spread) - 2 * m3 * a * rho + m4 * a**2
    return x**2 * (second - (m1 * rho - m2 * a) ** 2)


def inverted(rate: float, x: Tensor, y: Tensor, w: Tensor) -> Tensor:
    """The same for inverted dropout, as the docstring has it."""
    keep, a = 1 - rate, x * w
    residual = y - (a.sum() - a) - a / keep
    return x**2 * (rate / keep * residual**2 + rate / keep**2 * (a.square().sum() - a.square()))


@pytest.mark.parametrize("variant", ELEMENTWISE)
@given(rate=RATES, seed=st.integers(0, 2**31), d=st.integers(1, 6))
def test_by_every_mask(variant: str, rate: float, seed: int, d: int) -> None:
    x, y, w = normal(seed, d), normal(seed + 1, 1)[0], normal(seed + 2, d)
    masks, p = every_mask(law(variant, rate), d)
    gradients = -x * masks * (y - masks @ (x * w))[:, None]
    mean = p @ gradients
    variance = p @ (gradients - mean) ** 2
    # Of the terms before they cancel.
    size = float((p @ (x * masks * (y.abs() + masks.abs() @ (x * w).abs())[:, None]) ** 2).max())
    closed = closed_form(raw_moments(variant, rate), x, y, w)
    torch.testing.assert_close(variance, closed, rtol=0, atol=16 * SINGLE * size)
    if variant == "standard":
        torch.testing.assert_close(inverted(rate, x, y, w), closed, rtol=0, atol=1e-12 * size)


@pytest.mark.parametrize("variant", ELEMENTWISE)
@pytest.mark.parametrize("rate", [0.125, 0.5, 0.75])
def test_by_the_engine(variant: str, rate: float) -> None:
    """By autograd, of three examples with a mask each."""
    x, y, w = normal(3, 3, 5), normal(4, 3), normal(5, 5)
    gradients = sampled_gradients(variant, rate, x, y, w, 40_000)
    closed = torch.stack([closed_form(raw_moments(variant, rate), x[i], y[i], w) for i in range(3)]).sum(0)
    assert float(standard_errors_of_variance(gradients, closed).max()) < 5

"""A linear model with squared error under noise on its inputs is ridge regression with scaled features.

Wager, Wang & Liang 2013 (arXiv:1307.1493), section 2.1, whose quadratic penalty is exact where the log partition
function is quadratic; Srivastava et al. 2014 (JMLR 15), section 9.1; Bishop & Bishop 2024, equations 9.72 and 9.73.
With factors m of mean μ and variance σ², independent between features, the output w · (m ∘ x) has mean μ w · x and
variance σ² Σ_j w_j² x_j². So

    E Σ_i (y_i - w · (m_i ∘ x_i))² = ‖y - μ X w‖² + σ² Σ_j w_j² Σ_i x_ij²,

and the minimiser solves (μ² XᵀX + σ² diag(XᵀX)) w = μ Xᵀ y. Inverted dropout and its Gaussian twin have μ = 1 and σ² =
rate / (1 - rate). Whether examples share masks does not matter: the sum over i is outside the expectation.
"""

from __future__ import annotations

import numpy as np
import pytest
import torch
from every_mask import ELEMENTWISE, RATES, SINGLE, every_mask, law, normal, sampled_gradients, standard_errors, vector
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from noise_kit import stack_noise
from torch import Tensor

over_variants = pytest.mark.parametrize("variant", ELEMENTWISE)


@st.composite
def problems(draw: st.DrawFn) -> tuple[Tensor, Tensor, Tensor]:
    """X [n, d], y [n], w [d]."""
    n, d = draw(st.integers(1, 4)), draw(st.integers(1, 5))
    entries = st.integers(-128, 128).map(lambda i: i / 16)  # nothing subnormal
    x, y, w = (torch.from_numpy(draw(arrays(np.float64, s, elements=entries))) for s in ((n, d), (n,), (d,)))
    return x, y, w


def nominal(variant: str, rate: float) -> tuple[float, float]:
    """μ and σ², from the rate alone."""
    keep = 1 - rate
    return (keep, keep * rate) if variant in ("classic", "unscaled") else (1.0, rate / keep)


def ridge(variant: str, rate: float, x: Tensor, y: Tensor) -> Tensor:
    mean, variance = nominal(variant, rate)
    gram = x.T @ x
    return torch.linalg.solve(mean**2 * gram + variance * gram.diag().diag(), mean * x.T @ y)


@over_variants
@given(problem=problems(), rate=RATES)
def test_expected_loss(variant: str, problem: tuple[Tensor, Tensor, Tensor], rate: float) -> None:
    """With the factors' own mean and variance to double precision; with those of the rate to the rounding of the scale."""
    x, y, w = problem
    masks, p = every_mask(law(variant, rate), x.shape[1])
    expected = float(p @ (y - masks @ (x * w).T).square().sum(1))
    size = float(p @ (y.abs() + masks.abs() @ (x * w).abs().T).square().sum(1))
    moments = law(variant, rate).mean, law(variant, rate).variance
    for (mean, variance), tolerance in ((moments, 1e-12), (nominal(variant, rate), 4 * SINGLE)):
        closed = (y - mean * x @ w).square().sum() + variance * (w**2 * x.square().sum(0)).sum()
        assert float(closed) == pytest.approx(expected, rel=0, abs=tolerance * size)


@over_variants
@given(rate=RATES, seed=st.integers(0, 2**31))
def test_minimiser(variant: str, rate: float, seed: int) -> None:
    """Least squares over the data set of every mask of every example, each row weighted by the root of its probability."""
    x, y = normal(seed, 6, 4), normal(seed + 1, 6)
    masks, p = every_mask(law(variant, rate), 4)
    rows = (p.sqrt()[:, None, None] * masks[:, None] * x).reshape(-1, 4)
    targets = (p.sqrt()[:, None] * y).reshape(-1)
    least, *_ = np.linalg.lstsq(rows.numpy(), targets.numpy(), rcond=None)
    torch.testing.assert_close(ridge(variant, rate, x, y), torch.from_numpy(least), rtol=1e-5, atol=1e-6 / (1 - rate))


@given(rate=RATES, seed=st.integers(0, 2**31))
def test_variants_that_scale_rightly_predict_the_same_once_trained(rate: float, seed: int) -> None:
    """Each at its own minimiser, in evaluation. Classic's weights are larger by 1 / keep; the bug predicts so much too much."""
    x, y, at = normal(seed, 6, 4), normal(seed + 1, 6), vector(4)
    predicted = {}
    for variant in ELEMENTWISE:
        noise = stack_noise(variant, at, [rate], [0], 6)
        noise.training = False
        predicted[variant] = noise(at.name, x[None])[0] @ ridge(variant, rate, x, y)
    for variant in ("classic", "gaussian"):
        torch.testing.assert_close(predicted[variant], predicted["standard"], rtol=1e-6, atol=1e-9)
    torch.testing.assert_close(predicted["unscaled"] * (1 - rate), predicted["standard"], rtol=1e-6, atol=1e-9)


@over_variants
@settings(max_examples=8)
@given(rate=st.sampled_from([0.125, 0.5, 0.75]), seed=st.integers(0, 3))
def test_the_engines_mean_gradient_is_zero_there_and_not_at_least_squares(variant: str, rate: float, seed: int) -> None:
    x, y = normal(seed, 6, 4), normal(seed + 10, 6)
    copies, zero = 10_000, torch.zeros(4, dtype=torch.float64)
    at_ridge = sampled_gradients(variant, rate, x, y, ridge(variant, rate, x, y), copies)
    assert float(standard_errors(at_ridge, zero).max()) < 5
    least = torch.linalg.solve(x.T @ x, x.T @ y) / nominal(variant, rate)[0]
    assert float(standard_errors(sampled_gradients(variant, rate, x, y, least, copies), zero).max()) > 10

"""The mean gradient under dropout is the gradient of the ensemble's error plus an adaptive weight decay.

Baldi & Sadowski 2013 (NIPS) and 2014 (Artificial Intelligence 210, 78-122), on the ensemble and the dropout error of a
linear unit. With E_ENS = ½ (y - μ w · x)², the error of the ensemble's mean output, and E_D = ½ (y - w · (m ∘ x))²,

    ∂E_D / ∂w_j = -m_j x_j (y - Σ_k m_k w_k x_k).

E m_j m_k is μ² for k ≠ j and μ² + σ² for k = j, so in the mean the product gives that of the means, and σ² once more
where j meets itself: E ∂E_D/∂w_j = ∂E_ENS/∂w_j + w_j x_j² σ². Their δ are 0 and 1: μ = p and σ² = p (1 - p), as
`classic` has.

E_ENS is what evaluation computes, if evaluation is right; here it is the engine's.
"""

from __future__ import annotations

import pytest
import torch
from every_mask import ELEMENTWISE, RATES, SINGLE, every_mask, law, normal, sampled_gradients, standard_errors, vector
from hypothesis import given
from hypothesis import strategies as st
from noise_kit import stack_noise
from torch import Tensor


def ensemble_gradient(variant: str, rate: float, x: Tensor, y: Tensor, w: Tensor) -> Tensor:
    """Of ½ Σ_i (y_i - output in evaluation)², by autograd through the engine."""
    at = vector(x.shape[1])
    noise = stack_noise(variant, at, [rate], [0], len(x))
    noise.training = False
    leaf = w.clone().requires_grad_()
    (gradient,) = torch.autograd.grad((y - noise(at.name, x[None])[0] @ leaf).square().sum() / 2, leaf)
    return gradient


def enumerated_gradient(variant: str, rate: float, x: Tensor, y: Tensor, w: Tensor) -> Tensor:
    masks, p = every_mask(law(variant, rate), x.shape[1])
    leaf = w.clone().requires_grad_()
    error = p @ (y - masks @ (x * leaf).T).square().sum(1) / 2
    (gradient,) = torch.autograd.grad(error, leaf)
    return gradient


def decay(variant: str, rate: float, x: Tensor, w: Tensor) -> Tensor:
    keep = 1 - rate
    return w * x.square().sum(0) * (rate / keep if variant in ("standard", "gaussian") else keep * rate)


@pytest.mark.parametrize("variant", [v for v in ELEMENTWISE if v != "unscaled"])
@given(rate=RATES, seed=st.integers(0, 2**31), n=st.integers(1, 4), d=st.integers(1, 6))
def test_ensemble_gradient_and_decay(variant: str, rate: float, seed: int, n: int, d: int) -> None:
    x, y, w = normal(seed, n, d), normal(seed + 1, n), normal(seed + 2, d)
    closed = ensemble_gradient(variant, rate, x, y, w) + decay(variant, rate, x, w)
    size = float((x.abs().T @ (y.abs() + (x * w).abs().sum(1))).max()) / (1 - rate)
    torch.testing.assert_close(
        enumerated_gradient(variant, rate, x, y, w), closed, rtol=0, atol=(8 * SINGLE + 1e-12) * size
    )


@given(rate=RATES.filter(lambda r: r > 0.05), seed=st.integers(0, 2**31))
def test_not_for_the_bug_whose_evaluation_is_another_ensemble(rate: float, seed: int) -> None:
    """Off by what the gradient at the mean output μ w · x and the gradient at w · x differ by."""
    x, y, w = normal(seed, 3, 4), normal(seed + 1, 3), normal(seed + 2, 4)
    keep = 1 - rate
    off = enumerated_gradient("unscaled", rate, x, y, w) - decay("unscaled", rate, x, w)
    off = off - ensemble_gradient("unscaled", rate, x, y, w)
    expected = x.T @ (y - x @ w) - keep * x.T @ (y - keep * x @ w)
    torch.testing.assert_close(off, expected, rtol=1e-9, atol=1e-9)
    assert float(off.abs().max()) > 1e-4


@pytest.mark.parametrize("variant", ELEMENTWISE)
@pytest.mark.parametrize("rate", [0.125, 0.5, 0.75])
def test_the_engines_mean_gradient(variant: str, rate: float) -> None:
    """Within five standard errors; without the decay it would be more than twenty off."""
    x, y, w = normal(0, 5, 6), normal(1, 5), normal(2, 6)
    gradients = sampled_gradients(variant, rate, x, y, w, 20_000)
    closed = enumerated_gradient(variant, rate, x, y, w)
    assert float(standard_errors(gradients, closed).max()) < 5
    assert float(standard_errors(gradients, closed - decay(variant, rate, x, w)).max()) > 20

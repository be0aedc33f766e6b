"""Checks a linear unit with dropout of its inputs, for which expectations have closed forms."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor

from dropbench.checks.masks import every_mask, normal
from dropbench.store import Case

RATES = (0.2, 0.5, 0.8)


def adaptive_penalty() -> Iterator[Case]:
    """Compares the expected loss under dropout with the loss plus the L2 penalty rate / (1 - rate) Σ_j w_j² Σ_i x_ij².

    They are equal for the squared error: Wager, Wang & Liang 2013 (arXiv:1307.1493), section 2.1; Srivastava et al. 2014 (JMLR
    15), section 9.1. For the logistic loss, with its own second-order penalty, they are not, as the last case shows.
    """
    x, y, w = normal(0, 6, 5), normal(1, 6), normal(2, 5)
    for rate in RATES:
        masks, p = every_mask(rate, 5)
        measured = p @ (y - masks @ (x * w).T).square().sum(1)
        penalty = rate / (1 - rate) * (w**2 * x.square().sum(0)).sum()
        yield _case(f"squared error, rate {rate}", measured, (y - x @ w).square().sum() + penalty)
    masks, p = every_mask(0.5, 5)
    logits, clean = masks @ (x * w).T, x @ w
    curvature = (torch.sigmoid(clean) * torch.sigmoid(-clean))[:, None]
    second = (torch.nn.functional.softplus(clean).sum()) + 0.5 * (w**2 * (curvature * x.square()).sum(0)).sum()
    yield _case("logistic loss, rate 0.5", p @ torch.nn.functional.softplus(logits).sum(1), second)


def like_l2() -> Iterator[Case]:
    """Checks that at the minimum no weight is exactly 0 and copies of a feature have equal weights: as with L2, unlike with L1.

    Yields the difference of the weights of two copies of one feature, and the number of weights that are 0.
    """
    from sklearn.linear_model import Lasso

    generator = np.random.default_rng(0)
    signal = generator.normal(size=(200, 1))
    x = np.hstack([signal, signal, generator.normal(size=(200, 4))])
    y = 2 * signal[:, 0] + 0.5 * generator.normal(size=200)
    gram = x.T @ x
    w = np.linalg.solve(gram + 1.0 * np.diag(np.diag(gram)), x.T @ y)  # dropout of rate one half
    yield Case(case="dropout: copies share their weight", measured=float(w[0] - w[1]), formula=0.0, within=1e-9)
    yield Case(case="dropout: weights that are 0", measured=float((w == 0).sum()), formula=0.0, within=0.0)
    lasso = Lasso(alpha=0.3, tol=1e-10).fit(x, y).coef_
    yield Case(case="L1: weights that are 0", measured=float((np.abs(lasso) < 1e-9).sum()), formula=0.0, within=0.0)


def prediction_variance() -> Iterator[Case]:
    """Compares the variance of noisy passes through one layer with p (1 - p) Σ_j (w_j x_j)².

    They are equal without scaling. If kept inputs are scaled by 1 / (1 - p), as in every library, the variance is p / (1 - p)
    Σ_j (w_j x_j)². This grows without bound as p approaches 1, whereas the unscaled variance has its maximum at one half.
    """
    a = normal(3, 6)
    for scaled, name in ((False, "without scaling"), (True, "with scaling")):
        for p_drop in RATES:
            masks, p = every_mask(p_drop, 6, scaled=scaled)
            outputs = masks @ a
            mean = p @ outputs
            yield _case(f"{name}, p = {p_drop}", p @ (outputs - mean) ** 2, p_drop * (1 - p_drop) * a.square().sum())


def gradient_variance() -> Iterator[Case]:
    """Computes Var of ∂/∂w_j of ½ (y - Σ m_k w_k x_k)² over all masks and in closed form, for inverted dropout.

    The closed form is x_j² (p / q e_j² + p / q² Σ_{k≠j} (w_k x_k)²), with p the rate, q = 1 - p, and e_j = y - Σ_{k≠j} w_k
    x_k - w_j x_j / q the residual when j is kept. If each example has its own mask, the mean over B examples has 1 / B of
    this variance.
    """
    x, w, y = normal(4, 5), normal(5, 5), normal(6, 1)[0]
    a = x * w
    for rate in RATES:
        keep = 1 - rate
        masks, p = every_mask(rate, 5)
        gradients = -x * masks * (y - masks @ a)[:, None]
        measured = (p @ (gradients - p @ gradients) ** 2).sum()
        residual = y - (a.sum() - a) - a / keep
        others = a.square().sum() - a.square()
        yield _case(f"rate {rate}", measured, (x**2 * (rate / keep * residual**2 + rate / keep**2 * others)).sum())


def bias() -> Iterator[Case]:
    """Compares means over masks with values without dropout: activations, and gradients of a linear and a squared loss."""
    x, w, y, rate = normal(7, 5), normal(8, 5), normal(9, 1)[0], 0.5
    masks, p = every_mask(rate, 5)
    a = x * w
    yield _case("a unit's input", p @ (masks @ a), a.sum())
    yield _case("the gradient of a linear loss", _length(p @ (x * masks)), _length(x))
    squared = p @ (-x * masks * (y - masks @ a)[:, None])
    yield _case("the gradient of a squared error", _length(squared), _length(-x * (y - a.sum())))


def _length(v: Tensor) -> Tensor:
    return v.square().sum().sqrt()


def _case(name: str, measured: Tensor, formula: Tensor) -> Case:
    return Case(
        case=name, measured=float(measured), formula=float(formula), within=1e-9 * max(1.0, abs(float(formula)))
    )

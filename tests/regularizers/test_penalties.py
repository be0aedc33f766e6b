"""Penalties on the weights: against torch written out, and on linear models against scikit-learn."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from regularized import of, with_regularizers
from sklearn.linear_model import ElasticNet as SkElasticNet
from sklearn.linear_model import Lasso, Ridge
from step_kit import ByHand, Sampled
from torch import Tensor
from training import Trained, made_table, make_spec

from dropbench.data.base import Table
from dropbench.data.batch import Batch
from dropbench.regularizers.base import Regularizer, Step
from dropbench.regularizers.elastic_net import ElasticNet
from dropbench.regularizers.input_noise import InputNoise
from dropbench.regularizers.l1 import L1
from dropbench.regularizers.l2 import L2
from dropbench.regularizers.orthogonal import Orthogonal

K = 3
NUMBERS = torch.Generator().manual_seed(0)
PARAMETERS = {
    "hidden.0.linear.weight": torch.randn(K, 5, 4, generator=NUMBERS),
    "hidden.0.linear.bias": torch.randn(K, 1, 4, generator=NUMBERS),
    "conv.weight": torch.randn(K, 3, 2, 3, 3, generator=NUMBERS),
    "conv.bias": torch.randn(K, 3, generator=NUMBERS),
    "norm.weight": torch.randn(K, 3, generator=NUMBERS),
    "head.weight": torch.randn(K, 4, 1, generator=NUMBERS),
    "head.bias": torch.randn(K, 1, 1, generator=NUMBERS),
}
WEIGHTS = ["hidden.0.linear.weight", "conv.weight", "head.weight"]
"""Also that to a single output, whose shape is like that of a bias."""


def penalty(part: Regularizer, strength: list[float], parameters: dict[str, Tensor] | None = None) -> Tensor:
    """[K], what is added to the loss. All parameters that are given are weights."""
    batch = Batch(torch.zeros(K, 2, 1), torch.zeros(K, 2, dtype=torch.int64))
    weights = tuple(parameters or WEIGHTS)
    step = ByHand(batch, lambda x: torch.zeros(K, 2, 3), parameters or PARAMETERS, weights=weights)
    loss = torch.zeros(K)
    return part.loss(step, loss, torch.tensor(strength), Sampled(K)) - loss


STRENGTHS = [0.0, 0.1, 2.0]


def test_l1_is_the_sum_of_absolute_weights() -> None:
    expected = [a * sum(PARAMETERS[n][k].abs().sum().item() for n in WEIGHTS) for k, a in enumerate(STRENGTHS)]
    assert penalty(L1(), STRENGTHS).tolist() == pytest.approx(expected)


@pytest.mark.parametrize("ratio", [0.0, 0.3, 1.0])
def test_elastic_net_is_both(ratio: float) -> None:
    l1, l2 = penalty(L1(), STRENGTHS), penalty(L2(), STRENGTHS)
    torch.testing.assert_close(penalty(ElasticNet(l1_ratio=ratio), STRENGTHS), ratio * l1 + (1 - ratio) / 2 * l2)


def test_orthogonal_has_the_gradient_of_its_paper_for_wide_and_tall_weights() -> None:
    weights = {n: PARAMETERS[n].clone().requires_grad_() for n in WEIGHTS}
    penalty(Orthogonal(), STRENGTHS, weights).sum().backward()
    for name in WEIGHTS:
        w = PARAMETERS[name].clone().requires_grad_()
        for k, a in enumerate(STRENGTHS):
            # Bansal's W has a column for each output: the last axis of a dense layer's weights, the first of a kernel's.
            matrix = w[k].flatten(1).T if name == "conv.weight" else w[k]
            (a * torch.linalg.matrix_norm(matrix.T @ matrix - torch.eye(matrix.shape[1])).square()).backward()
        torch.testing.assert_close(weights[name].grad, w.grad)


def test_orthogonal_weights_cost_nothing_whichever_side_is_longer() -> None:
    tall = torch.linalg.qr(torch.randn(K, 6, 3, generator=NUMBERS)).Q
    found = penalty(Orthogonal(), [1.0] * K, {"a.weight": tall, "b.weight": tall.mT.contiguous()})
    torch.testing.assert_close(found, torch.zeros(K), atol=1e-5, rtol=0)


def numbers(n: int = 60, features: int = 6) -> tuple[Tensor, Tensor]:
    """Standardised inputs of which half matter, and a centred target of variance 1."""
    generator = np.random.default_rng(4)
    x = generator.normal(size=(n, features)) @ (np.eye(features) + 0.2)
    x = (x - x.mean(0)) / x.std(0)
    y = x @ np.array([2.0, -1.0, 0.5, 0, 0, 0]) + generator.normal(size=n)
    return torch.from_numpy(x), torch.from_numpy((y - y.mean()) / y.std())


def descended(part: Regularizer, alpha: float) -> Tensor:
    """The weights of a linear model that minimise the mean squared error with a penalty, by (sub)gradient descent: [F]."""
    x, y = numbers()
    w = torch.zeros(1, x.shape[1], 1, dtype=torch.float64, requires_grad=True)

    def loss(output: Tensor, batch: Batch) -> Tensor:
        return (output[..., 0] - batch.y).square().mean(1)

    for t in range(600):
        by_name = {"head.weight": w}
        step: Step = ByHand(Batch(x[None], y[None]), lambda x, w=w: x @ w, by_name, loss=loss, weights=tuple(by_name))
        objective = part.loss(step, step.losses(step.output, step.batch), torch.tensor([alpha]), Sampled(1))
        (gradient,) = torch.autograd.grad(objective.sum(), w)
        with torch.no_grad():
            w -= 0.2 * 0.98**t * gradient
    return w.detach()[0, :, 0]


@pytest.mark.parametrize("alpha", [0.03, 0.3])
def test_on_a_linear_model_they_find_what_scikit_learn_finds(alpha: float) -> None:
    """Which halves the mean squared error for lasso and elastic net, and sums the squared errors for ridge."""
    x, y = (t.numpy() for t in numbers())
    lasso = Lasso(alpha=alpha / 2, fit_intercept=False).fit(x, y).coef_
    both = SkElasticNet(alpha=alpha / 2, l1_ratio=0.4, fit_intercept=False).fit(x, y).coef_
    ridge = Ridge(alpha=alpha * len(y), fit_intercept=False).fit(x, y).coef_
    assert (lasso == 0).any()
    np.testing.assert_allclose(descended(L1(), alpha), lasso, atol=1e-3)
    np.testing.assert_allclose(descended(ElasticNet(l1_ratio=0.4), alpha), both, atol=1e-3)
    np.testing.assert_allclose(descended(L2(), alpha), ridge, atol=1e-4)


def test_noise_on_the_inputs_of_a_linear_model_is_l2_in_expectation() -> None:
    """Bishop 1995, exact for the mean squared error."""
    x, y = (t.float() for t in numbers())
    w, sigma, passes = torch.randn(6, generator=NUMBERS), 0.5, 4000
    batch = Batch(x.expand(passes, -1, -1), y.expand(passes, -1))
    noisy = InputNoise().examples(batch, torch.full((passes,), sigma), Sampled(passes), None).x  # type: ignore[arg-type]
    losses = (noisy @ w - y).square().mean(1)
    expected = (x @ w - y).square().mean() + sigma**2 * w.square().sum()
    assert abs(losses.mean() - expected) < 4 * losses.std() / passes**0.5
    assert losses.std() / passes**0.5 < 0.02 * (sigma**2 * w.square().sum())


def test_weight_decay_of_sgd_is_l2_of_half_its_strength() -> None:
    """On the weights; biases decay too, and start at 0."""
    table: Table = made_table()
    common: dict[str, Any] = {"optimizer": "sgd", "momentum": 0.0, "epochs": 1, "lr": 0.1, "batch_size": 200}
    data = {"split": {"n_train": None}}
    decay = make_spec("mlp", data="made", weight_decay=0.2, **common, **data)
    penalty = with_regularizers(make_spec("mlp", data="made", **common, **data), of("l2", 0.1))
    neither = make_spec("mlp", data="made", **common, **data)
    weights = [next(iter(Trained(run, table=table).weights.values())) for run in (decay, penalty, neither)]
    for name, decayed in weights[0].items():
        torch.testing.assert_close(weights[1][name], decayed, atol=1e-6, rtol=1e-5)
    assert not torch.allclose(weights[0]["head.weight"], weights[2]["head.weight"], atol=1e-3)

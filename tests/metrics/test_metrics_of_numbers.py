"""Metrics of predicted numbers: by hand, beside scikit-learn's and torch's, and each replica by itself."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import norm
from sklearn import metrics as reference
from torch import Tensor

from dropbench.metrics.gaussian_nll import gaussian_nll
from dropbench.metrics.loss import loss
from dropbench.metrics.mae import mae
from dropbench.metrics.r2 import r2
from dropbench.metrics.rmse import rmse

METRICS: list[Callable[[Tensor, Tensor], Tensor]] = [rmse, mae, r2, loss, gaussian_nll]


def said(seed: int, k: int, n: int) -> tuple[Tensor, Tensor]:
    """Means and deviations [k, n, 2] and the truth [k, n], of any size."""
    draw = np.random.default_rng(seed)
    unit = 10.0 ** draw.integers(-3, 6)
    y = draw.normal(3, 1, (k, n)) * unit
    mean = y + draw.normal(0, 0.5, (k, n)) * unit
    deviation = draw.uniform(0.1, 2, (k, n)) * unit
    return torch.from_numpy(np.stack([mean, deviation], -1)).float(), torch.from_numpy(y).float()


def test_by_hand() -> None:
    output, target = torch.tensor([[[1.0, 2.0], [5.0, 2.0]]]), torch.tensor([[1.0, 1.0]])
    assert rmse(output, target).tolist() == pytest.approx([math.sqrt(8)])
    assert mae(output, target).tolist() == [2]
    assert loss(output, target).tolist() == [8]
    assert r2(output, torch.tensor([[1.0, 3.0]])).tolist() == [1 - 4 / 2]
    assert gaussian_nll(output, target).tolist() == pytest.approx([math.log(2) + math.log(2 * math.pi) / 2 + 1])


@given(st.integers(0, 10**6), st.integers(1, 4), st.integers(2, 200))
def test_as_scikit_learn_and_scipy_have_them(seed: int, k: int, n: int) -> None:
    output, target = said(seed, k, n)
    for one, y, *found in zip(
        output.double(), target.double(), *(m(output, target).tolist() for m in METRICS), strict=True
    ):
        mean, deviation = one.numpy().T
        truth = y.numpy()
        squared = reference.mean_squared_error(truth, mean)
        assert found == pytest.approx(
            [
                math.sqrt(squared),
                reference.mean_absolute_error(truth, mean),
                reference.r2_score(truth, mean),
                squared,
                -norm.logpdf(truth, mean, deviation).mean(),
            ],
            rel=1e-5,
        )


@given(st.integers(0, 10**6), st.integers(2, 5), st.integers(1, 3000))
def test_a_replica_of_a_stack_has_the_bits_of_one_alone(seed: int, k: int, n: int) -> None:
    output, target = said(seed, k, n)
    for metric in METRICS:
        alone = torch.cat([metric(output[[i]], target[[i]]) for i in range(k)])
        assert torch.equal(metric(output, target).nan_to_num(7e7), alone.nan_to_num(7e7))


@pytest.mark.parametrize("metric", [rmse, mae, r2, loss])
def test_a_deviation_beside_the_number_changes_nothing(metric: Callable[[Tensor, Tensor], Tensor]) -> None:
    output, target = said(0, 2, 30)
    assert torch.equal(metric(output, target), metric(output[..., :1], target))


def test_r2_of_equal_targets_is_not_a_number() -> None:
    assert r2(torch.tensor([[[1.0], [2.0]]]), torch.tensor([[3.0, 3.0]])).isnan().all()

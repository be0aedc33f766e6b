"""Metrics on values worked out by hand, and against plain NumPy."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from random_logits import examples
from torch import Tensor

from dropbench.metrics.accuracy import accuracy
from dropbench.metrics.adaptive_ece import adaptive_ece
from dropbench.metrics.brier import brier
from dropbench.metrics.ece import ece
from dropbench.metrics.loss import loss

METRICS = [accuracy, loss, ece, adaptive_ece, brier]


def test_accuracy_by_hand() -> None:
    logits = torch.tensor([[[2.0, 1.0], [0.0, 3.0], [5.0, 4.0]], [[1.0, 2.0], [0.0, 3.0], [5.0, 4.0]]])
    targets = torch.tensor([[0, 1, 1], [0, 0, 1]])
    assert accuracy(logits, targets).tolist() == [2 / 3, 0.0]


def test_loss_by_hand() -> None:
    # Odds of 3 : 1, so probabilities of 3/4 and 1/4.
    logits = torch.tensor([[[math.log(3), 0.0], [math.log(3), 0.0]], [[0.0, 0.0], [0.0, 0.0]]])
    targets = torch.tensor([[0, 1], [1, 0]])
    expected = [-(math.log(3 / 4) + math.log(1 / 4)) / 2, math.log(2)]
    assert loss(logits, targets).tolist() == pytest.approx(expected)


shapes = st.tuples(
    st.integers(1, 5), st.integers(1, 70) | st.integers(500, 3000), st.integers(2, 12), st.integers(0, 99)
)


@given(shape=shapes)
def test_against_numpy(shape: tuple[int, int, int, int]) -> None:
    logits, targets = examples(*shape)
    x, y = logits.numpy().astype(np.float64), targets.numpy()
    p = np.exp(x) / np.exp(x).sum(-1, keepdims=True)
    of_target = np.take_along_axis(p, y[..., None], -1)[..., 0]
    np.testing.assert_allclose(loss(logits, targets), -np.log(of_target).mean(1), rtol=1e-5, atol=1e-6)
    assert accuracy(logits, targets).tolist() == (x.argmax(-1) == y).mean(1).tolist()


@pytest.mark.parametrize("metric", METRICS)
@given(shape=shapes)
def test_one_number_a_replica_that_its_stack_does_not_change(
    metric: Callable[[Tensor, Tensor], Tensor], shape: tuple[int, int, int, int]
) -> None:
    logits, targets = examples(*shape)
    together = metric(logits, targets)
    assert together.shape == (shape[0],)
    for k in range(shape[0]):
        assert torch.equal(metric(logits[k : k + 1], targets[k : k + 1]), together[k : k + 1])


@pytest.mark.parametrize("metric", METRICS)
def test_nor_does_its_stack_under_several_threads(metric: Callable[[Tensor, Tensor], Tensor]) -> None:
    """They share out one long vector, but not one of several."""
    logits, targets = examples(3, 40_000, 2, 0)
    threads = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        together = metric(logits, targets)
        for k in range(3):
            assert torch.equal(metric(logits[k : k + 1], targets[k : k + 1]), together[k : k + 1])
    finally:
        torch.set_num_threads(threads)


def test_accuracy_is_exact_to_the_last_digit() -> None:
    """As many right answers give the same number, and that number is the nearest to the share."""
    n = 30_011
    logits = torch.zeros(1, n, 2)
    logits[0, :, 1] = 1
    targets = (torch.arange(n) < 12_345).long()[None]
    assert accuracy(logits, targets).tolist() == [12_345 / n]


def test_a_loss_without_end_shows() -> None:
    logits = torch.tensor([[[float("nan"), 0.0]], [[float("inf"), 0.0]], [[1e30, 0.0]]])
    found = loss(logits, torch.tensor([[0], [0], [1]]))
    assert torch.isfinite(found).tolist() == [False, False, True]

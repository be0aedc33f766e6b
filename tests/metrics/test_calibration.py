"""Calibration errors and the Brier score: by hand, against torchmetrics and scikit-learn, and what they must have in common."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from random_logits import examples
from sklearn.metrics import brier_score_loss
from torch import Tensor

from dropbench.data._torchvision import torchvision
from dropbench.metrics.accuracy import accuracy
from dropbench.metrics.adaptive_ece import adaptive_ece
from dropbench.metrics.brier import brier
from dropbench.metrics.ece import ece

Metric = Callable[[Tensor, Tensor], Tensor]


def sure(*confidences: float) -> Tensor:
    """Logits [1, n, 2] of answers 0 with these confidences."""
    return torch.tensor([[[math.log(p / (1 - p)), 0.0] for p in confidences]])


shapes = st.tuples(st.integers(1, 400), st.integers(2, 6), st.integers(0, 99))


def test_ece_by_hand() -> None:
    # Of five intervals, .7 and .8 fall into (.6, .8], one right; .9 and .95 into (.8, 1], both right.
    logits, targets = sure(0.7, 0.75, 0.9, 0.95), torch.tensor([[0, 1, 0, 0]])
    expected = (2 * abs(0.725 - 0.5) + 2 * abs(0.925 - 1)) / 4
    assert ece(logits, targets, bins=5).item() == pytest.approx(expected, rel=1e-6)


def test_adaptive_ece_by_hand() -> None:
    # The same examples in another order, three to a bin: .6 .7 .8 with one right, .9 .95 .99 with two.
    logits, targets = sure(0.95, 0.6, 0.99, 0.8, 0.9, 0.7), torch.tensor([[0, 1, 1, 0, 0, 1]])
    expected = (3 * abs(0.7 - 1 / 3) + 3 * abs(2.84 / 3 - 2 / 3)) / 6
    assert adaptive_ece(logits, targets, bins=2).item() == pytest.approx(expected, rel=1e-6)


def test_bins_of_equal_mass_that_end_among_equals() -> None:
    """Four answers of one confidence, half of them right: that is .8 against .5 in both bins, in whatever order they come."""
    for targets in ([0, 0, 1, 1], [0, 1, 0, 1], [1, 1, 0, 0]):
        found = adaptive_ece(sure(0.8, 0.8, 0.8, 0.8), torch.tensor([targets]), bins=2)
        assert found.item() == pytest.approx(0.3, rel=1e-6)


def test_brier_by_hand() -> None:
    assert brier(sure(0.75, 0.75), torch.tensor([[0, 1]])).item() == pytest.approx((2 / 16 + 2 * 9 / 16) / 2, rel=1e-6)
    certain = torch.tensor([[[1e4, 0.0]], [[0.0, 1e4]]])
    assert brier(certain, torch.tensor([[0], [0]])).tolist() == [0.0, 2.0]


@given(shape=shapes, bins=st.integers(1, 20))
def test_ece_against_torchmetrics(shape: tuple[int, int, int], bins: int) -> None:
    torchvision()  # torchmetrics imports it, and cannot beside a CPU-only torch
    functional = pytest.importorskip("torchmetrics.functional.classification", reason="needs torchmetrics")
    logits, targets = examples(1, *shape)
    p = logits[0].softmax(-1)  # it takes logits too, but logits that all lie in 0..1 for probabilities
    theirs = functional.multiclass_calibration_error(p, targets[0], shape[1], n_bins=bins, norm="l1")
    assert ece(logits, targets, bins=bins).item() == pytest.approx(theirs.item(), abs=2e-6)


@given(shape=shapes)
def test_brier_against_scikit_learn(shape: tuple[int, int, int]) -> None:
    logits, targets = examples(1, *shape)
    p = logits[0].double().softmax(-1).numpy()
    # It halves the score of two classes unless told not to.
    theirs = (
        brier_score_loss(targets[0].numpy(), p, labels=list(range(shape[1])), scale_by_half=False)
        if shape[1] > 2
        else 2 * brier_score_loss(targets[0].numpy(), p[:, 1], labels=[0, 1])
    )
    assert brier(logits, targets).item() == pytest.approx(theirs, rel=1e-9)


@given(shape=shapes, bins=st.integers(1, 30))
def test_adaptive_ece_against_a_sort_by_hand(shape: tuple[int, int, int], bins: int) -> None:
    logits, targets = examples(1, *shape)
    p = logits[0].double().softmax(-1).numpy()
    order = p.max(1).argsort(kind="stable")
    confidence, right = p.max(1)[order], (p.argmax(1) == targets[0].numpy())[order].astype(float)
    # np.array_split makes equal parts too, but the larger come first; the bins here are spread evenly.
    n = shape[0]
    edges = [-(-i * n // bins) for i in range(bins + 1)]
    parts = [slice(a, b) for a, b in itertools.pairwise(edges) if b > a]
    assert {b - a for a, b in itertools.pairwise(edges)} <= {n // bins, n // bins + 1}
    expected = sum(abs((confidence[s] - right[s]).sum()) for s in parts) / n
    assert adaptive_ece(logits, targets, bins=bins).item() == pytest.approx(expected, abs=1e-9)


@pytest.mark.parametrize("metric", [ece, adaptive_ece, brier])
@given(shape=shapes)
def test_the_order_of_examples_and_a_shift_of_logits_do_not_matter(metric: Metric, shape: tuple[int, int, int]) -> None:
    logits, targets = examples(1, *shape)
    order = torch.from_numpy(np.random.default_rng(shape[2]).permutation(shape[0]))
    found = metric(logits, targets).item()
    assert metric(logits[:, order], targets[:, order]).item() == pytest.approx(found, abs=1e-9)
    assert metric(logits.double() + 7, targets).item() == pytest.approx(found, abs=1e-9)
    assert 0 <= found <= 2


@pytest.mark.parametrize("metric", [ece, adaptive_ece])
@given(shape=shapes)
def test_one_bin_is_mean_confidence_against_accuracy(
    metric: Callable[..., Tensor], shape: tuple[int, int, int]
) -> None:
    """And more bins never make it less (the triangle inequality)."""
    logits, targets = examples(1, *shape)
    confidence = logits.double().softmax(-1).amax(-1).mean().item()
    one = metric(logits, targets, bins=1).item()
    assert one == pytest.approx(abs(confidence - accuracy(logits, targets).item()), abs=1e-9)
    assert one <= metric(logits, targets, bins=15).item() + 1e-12


@pytest.mark.parametrize("metric", [ece, adaptive_ece])
def test_calibrated_answers_have_little_error_and_overconfident_ones_much(metric: Metric) -> None:
    """Right as often as they are sure; and the same answers with logits of double the size."""
    generator = np.random.default_rng(0)
    n = 100_000
    p = generator.uniform(0.5, 1, n)
    logits = torch.from_numpy(np.stack([np.log(p / (1 - p)), np.zeros(n)], 1))[None]
    targets = torch.from_numpy((generator.uniform(size=n) > p).astype(np.int64))[None]
    # A bin of m examples is off by about sqrt(2 / pi) * sqrt(p (1 - p) / m): summed over at most 15 bins.
    assert metric(logits, targets).item() < 5 * math.sqrt(15 * 0.25 / n)
    sharper = p**2 / (p**2 + (1 - p) ** 2)
    assert metric(2 * logits, targets).item() == pytest.approx((sharper - p).mean(), abs=5 * math.sqrt(0.25 / n))


@pytest.mark.parametrize("metric", [ece, adaptive_ece, brier])
def test_what_is_not_finite_shows(metric: Metric) -> None:
    logits = torch.tensor([[[float("nan"), 0.0], [1.0, 0.0]], [[2.0, 0.0], [1.0, 0.0]]])
    assert torch.isfinite(metric(logits, torch.zeros(2, 2, dtype=torch.int64))).tolist() == [False, True]

"""Whether a network's confidence tells its errors: against scikit-learn, and over all orders of equal confidences."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import roc_auc_score
from torch import Tensor

from dropbench.metrics.aurc import aurc
from dropbench.metrics.error_auroc import error_auroc


def answers(seed: int, n: int, levels: int = 3) -> tuple[Tensor, Tensor]:
    """Logits of few different confidences [2, n, 3], all for the first class, and classes [2, n]."""
    generator = np.random.default_rng(seed)
    logits = torch.zeros(2, n, 3)
    logits[..., 0] = torch.from_numpy(generator.integers(1, levels + 1, (2, n))).float()
    return logits, torch.from_numpy(generator.integers(0, 3, (2, n)))


@given(st.integers(0, 999), st.integers(2, 30))
def test_error_auroc_is_scikit_learns(seed: int, n: int) -> None:
    logits, y = answers(seed, n)
    for k, found in enumerate(error_auroc(logits, y)):
        p = logits[k].softmax(-1).max(-1).values
        right = logits[k].argmax(-1) == y[k]
        one_sided = bool(right.all()) or not bool(right.any())
        assert float(found) == pytest.approx(0.5 if one_sided else roc_auc_score(right, p))


@given(st.integers(0, 999), st.integers(1, 6))
def test_aurc_is_the_mean_over_all_orders_of_equals(seed: int, n: int) -> None:
    logits, y = answers(seed, n, levels=2)
    found = aurc(logits, y)
    for k in range(2):
        p = logits[k].softmax(-1).max(-1).values.tolist()
        wrong = (logits[k].argmax(-1) != y[k]).double().numpy()
        orders = [o for o in itertools.permutations(range(n)) if all(p[a] >= p[b] for a, b in itertools.pairwise(o))]
        areas = [np.mean(np.cumsum(wrong[list(o)]) / np.arange(1, n + 1)) for o in orders]
        assert float(found[k]) == pytest.approx(float(np.mean(areas)))


def test_by_hand() -> None:
    """Sure and right, less sure and wrong: every error is found, and of one, two answers none, half are wrong."""
    logits, y = torch.tensor([[[4.0, 0.0], [1.0, 0.0]]]), torch.tensor([[0, 1]])
    assert error_auroc(logits, y).tolist() == [1.0]
    assert aurc(logits, y).tolist() == [0.25]
    assert aurc(logits, torch.tensor([[1, 0]])).tolist() == [0.75]

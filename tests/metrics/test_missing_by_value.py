"""Features missing by their values: which they are, and what a network says without them."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from relu_network import Relu, drawn
from scipy.stats import rankdata

from dropbench.metrics.missing_by_value import missing_by_value, ranks


@given(st.lists(st.integers(0, 4), min_size=1, max_size=12), st.integers(0, 99))
def test_ranks_are_those_of_scipy_with_ties_by_lot(values: list[int], seed: int) -> None:
    x = torch.tensor(values).double()
    lot = torch.from_numpy(np.random.default_rng(seed).random(len(values)))
    # Distinct numbers in the order that is wanted: by value, and among equals by lot.
    expected = rankdata(-x.numpy() + 1e-3 * lot.numpy(), method="ordinal") - 1
    assert ranks(x, lot).tolist() == expected.tolist()


@given(st.integers(0, 99))
def test_by_hand(seed: int) -> None:
    network = drawn(seed)
    found = missing_by_value(network, "test", percent=[1, 25, 50, 100])
    assert [n.split("_")[3] for n in found] == ["01", "25", "50", "100"]
    x, y = network.parts["test"]
    for count, accuracy in zip((0, 1, 2, 4), found.values(), strict=True):
        without = x.clone()
        without.scatter_(2, x.topk(count, dim=2).indices, 0.0)
        right = network.logits(without).argmax(-1) == y
        assert accuracy.tolist() == right.double().mean(1).tolist()


def test_it_is_the_large_that_are_missing() -> None:
    """Classes told by which of two features is the larger: without it the other decides, wrongly, as both are positive."""
    generator = np.random.default_rng(0)
    x = torch.from_numpy(generator.uniform(0.1, 1, (1, 40, 2)))
    v, w = torch.eye(2, dtype=torch.float64)[None], torch.eye(2, dtype=torch.float64)[None]
    network = Relu(v, w, {"test": (x, x.argmax(-1))})
    assert missing_by_value(network, "test", percent=[1, 50])["missing_by_value_01_accuracy"].tolist() == [1.0]
    assert missing_by_value(network, "test", percent=[1, 50])["missing_by_value_50_accuracy"].tolist() == [0.0]


def test_among_equals_every_place_is_as_likely() -> None:
    n = 4000
    x = torch.zeros(1, n, 8)
    lot = torch.from_numpy(np.random.default_rng(1).random((1, n, 8)))
    share = (ranks(x, lot) < 2).double().mean(1)[0]
    error = 5 * np.sqrt(0.25 * 0.75 / n)
    assert share.tolist() == pytest.approx([0.25] * 8, abs=error)


def test_words_have_no_size() -> None:
    words = torch.zeros(1, 3, 2, dtype=torch.int64), torch.zeros(1, 3, dtype=torch.int64)
    assert missing_by_value(Relu(torch.zeros(1, 2, 2), torch.zeros(1, 2, 2), {"val": words}), "val") == {}

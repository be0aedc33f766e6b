"""Ablation: units that are known to matter, and the Gini coefficient against its definition."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from relu_network import Relu, arrays, drawn, loss_by_hand

from dropbench.metrics.ablation import ablation, gini


@given(seed=st.integers(0, 99), examples=st.sampled_from([1, 9, 30]))
def test_every_unit_by_hand(seed: int, examples: int) -> None:
    network = drawn(seed, hidden=6)
    found = ablation(network, "val", examples=examples, above=0.1)
    for k in range(2):
        v, w, x, y = arrays(network, k, "val")
        x, y = x[:examples], y[:examples]
        rises = []
        for unit in range(6):
            cut = w.copy()
            cut[unit] = 0  # what reads a unit that is always zero
            rises.append(loss_by_hand(v, cut, x, y) - loss_by_hand(v, w, x, y))
        quantiles = dict(zip(("p10", "p50", "p90"), np.quantile(rises, [0.1, 0.5, 0.9]), strict=True))
        expected = {"mean": np.mean(rises), **quantiles, "max": max(rises), "share": np.mean(np.array(rises) > 0.1)}
        for name, value in expected.items():
            assert found[f"ablation_{name}"][k].item() == pytest.approx(value, abs=1e-9)


def test_fewer_units_are_spread_evenly() -> None:
    """Of units 0, 2 and 4 only the last matters; 1, 3 and 5, which would, are not looked at."""
    v = torch.eye(6, dtype=torch.float64)[None]
    w = torch.zeros(1, 6, 2, dtype=torch.float64)
    w[0, [1, 3, 4, 5], 0] = torch.tensor([9.0, 9.0, 1.0, 9.0]).double()
    w[0, [1, 3, 5], 1] = 9.0
    x, y = torch.ones(1, 4, 6, dtype=torch.float64), torch.zeros(1, 4, dtype=torch.int64)
    found = ablation(Relu(v, w, {"test": (x, y)}), "test", units=3)
    assert found["ablation_gini"].item() == pytest.approx(2 / 3)
    assert found["ablation_share"].item() == pytest.approx(1 / 3)
    assert found["ablation_max"].item() == pytest.approx(np.log(2) - np.log1p(np.exp(-1)))
    assert found["ablation_p50"].item() == 0


def test_without_a_hidden_layer() -> None:
    network = drawn()
    network.activations = lambda x: {}  # type: ignore[method-assign]
    assert ablation(network, "test") == {}


@given(st.lists(st.floats(0, 1e6), min_size=1, max_size=20).filter(lambda x: sum(x) > 1e-3))
def test_gini_is_half_the_mean_difference_over_the_mean(x: list[float]) -> None:
    differences = np.abs(np.subtract.outer(x, x)).mean()
    assert gini(torch.tensor(x, dtype=torch.float64)).item() == pytest.approx(
        differences / (2 * np.mean(x)), rel=1e-9, abs=1e-9
    )


def test_gini_of_equals_of_one_and_of_none() -> None:
    found = gini(torch.tensor([[3.0, 3.0, 3.0, 3.0], [0.0, 5.0, 0.0, 0.0], [0.0, 0.0, 0.0, 0.0]]).double())
    assert found[:2].tolist() == pytest.approx([0, 0.75])
    assert found[2].isnan()

"""Input gradients: of linear maps they are the weights."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from relu_network import Relu, drawn
from scipy.stats import entropy

from dropbench.metrics.attribution import attribution


@given(st.integers(0, 99))
def test_by_hand(seed: int) -> None:
    network = drawn(seed, inputs=6)
    found = attribution(network, "test")
    x, y = network.parts["test"]
    for k in range(2):
        v, w = network.v[k].detach().numpy(), network.w[k].detach().numpy()
        active = (x[k].numpy() @ v) > 0
        g = np.abs((active * w.T[y[k].numpy()]) @ v.T)
        labels = y[k].numpy()[g.sum(1) > 0]
        p = g[g.sum(1) > 0]
        p = p / p.sum(1, keepdims=True)
        assert found["attribution_share"][k].item() == pytest.approx(np.mean(np.exp(entropy(p, axis=1)) / 6))
        gini = np.abs(p[:, :, None] - p[:, None]).sum((1, 2)) / (2 * 6)
        assert found["attribution_gini"][k].item() == pytest.approx(gini.mean())
        assert found["attribution_map"].shape == (2, 18)
        maps = found["attribution_map"][k].view(3, 6).numpy()
        for c in range(3):
            expected = p[labels == c].mean(0) / 3 if (labels == c).any() else np.zeros(6)
            assert maps[c] == pytest.approx(expected)


@pytest.mark.parametrize(("weights", "gini", "share"), [([1, 1, 1, 1], 0, 1), ([0, -5, 0, 0], 0.75, 0.25)])
def test_all_alike_and_one_alone(weights: list[float], gini: float, share: float) -> None:
    v = torch.tensor(weights).double().view(1, 4, 1)
    x = torch.eye(4, dtype=torch.float64)[None] * v.squeeze(-1).sign()[..., None]
    keep = v.squeeze() != 0
    network = Relu(v, torch.ones(1, 1, 1).double(), {"val": (x[:, keep], torch.zeros(1, int(keep.sum())).long())})
    found = attribution(network, "val")
    assert list(found) == ["attribution_gini", "attribution_share"]  # a map is of test alone
    assert found["attribution_gini"].item() == pytest.approx(gini)
    assert found["attribution_share"].item() == pytest.approx(share)


def test_a_wide_map_is_made_of_cells() -> None:
    """2,050 features of 2 classes in 512 cells each, of four neighbours or five."""
    width = 2050
    v = torch.arange(1, width + 1).double().view(1, width, 1)
    network = Relu(
        v, torch.ones(1, 1, 2).double(), {"test": (torch.ones(1, 2, width).double(), torch.tensor([[0, 1]]))}
    )
    found = attribution(network, "test")["attribution_map"][0]
    cell = np.arange(width) * 512 // width
    expected = np.bincount(cell, np.arange(1, width + 1)) / (width * (width + 1) / 2) / 2
    assert found.tolist() == pytest.approx([*expected, *expected])
    assert found.sum().item() == pytest.approx(1)

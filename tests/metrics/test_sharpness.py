"""Sharpness: the three rises again in NumPy, and what each does when a layer is scaled up and the next one down."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import assume, given
from hypothesis import strategies as st
from relu_network import Relu, arrays, drawn, gradient_by_hand, loss_by_hand

from dropbench.metrics.sharpness import sharpness

NAMES = ["sharpness", "adaptive_sharpness", "average_sharpness"]


@given(seed=st.integers(0, 99), examples=st.sampled_from([1, 7, 13, 30, 500]))
def test_by_hand(seed: int, examples: int) -> None:
    network = drawn(seed)
    found = sharpness(network, "train", radius=0.3, adaptive_radius=0.6, noise=0.2, draws=3, examples=examples)
    assert list(found) == NAMES
    normal = network.normals("")
    shaken = [[normal(tuple(p.shape[1:])).numpy() for p in (network.v, network.w)] for _ in range(3)]
    for k in range(2):
        v, w, x, y = arrays(network, k, "train")
        x, y = x[:examples], y[:examples]
        before = loss_by_hand(v, w, x, y)
        gv, gw = gradient_by_hand(v, w, x, y)
        length = np.sqrt((gv**2).sum() + (gw**2).sum())
        adaptive = np.sqrt(((v * gv) ** 2).sum() + ((w * gw) ** 2).sum())
        assume(length * adaptive > 0)  # else every unit of the one example is off: see below
        expected = {
            "sharpness": loss_by_hand(v + 0.3 * gv / length, w + 0.3 * gw / length, x, y),
            "adaptive_sharpness": loss_by_hand(v + 0.6 * v**2 * gv / adaptive, w + 0.6 * w**2 * gw / adaptive, x, y),
            "average_sharpness": np.mean(
                [loss_by_hand(v * (1 + 0.2 * zv[k]), w * (1 + 0.2 * zw[k]), x, y) for zv, zw in shaken]
            ),
        }
        for name, after in expected.items():
            assert found[name][k].item() == pytest.approx(after - before, rel=1e-7, abs=1e-12)


def test_the_weights_come_back_to_the_last_bit() -> None:
    network = drawn(3)
    before = [p.detach().clone() for p in network.parameters]
    sharpness(network, "train", draws=2)
    assert all(torch.equal(p, b) for p, b in zip(network.parameters, before, strict=True))


def test_scaling_a_layer_against_the_next() -> None:
    """The function stays, and with it the two that are measured in parts of a weight; the plain one does not (Dinh et al.)."""
    network = drawn(1)
    scaled = Relu(network.v.detach() * 8, network.w.detach() / 8, network.parts)
    one, other = sharpness(network, "train"), sharpness(scaled, "train")
    for name in NAMES[1:]:
        assert other[name].tolist() == pytest.approx(one[name].tolist(), rel=1e-9)
    assert (other["sharpness"] > 2 * one["sharpness"]).all()


@pytest.mark.parametrize("radius", [1e-4, 1e-5])
def test_a_small_ball_rises_by_the_gradient_norm(radius: float) -> None:
    network = drawn(2)
    found = sharpness(network, "train", radius=radius)["sharpness"]
    for k in range(2):
        norm = np.sqrt(sum((g**2).sum() for g in gradient_by_hand(*arrays(network, k, "train"))))
        assert found[k].item() / radius == pytest.approx(norm, rel=1e-2)


def test_without_a_gradient_nothing_rises() -> None:
    """One class has all examples and all of the probability."""
    one = torch.ones(1, 2, 1, dtype=torch.float64)
    sure = Relu(one[:, :1], torch.tensor([[[900.0, 0.0]]]).double(), {"train": (one, torch.zeros(1, 2).long())})
    assert [v.tolist() for v in sharpness(sure, "train").values()] == [[0.0]] * 3


def test_only_where_it_was_trained() -> None:
    assert sharpness(drawn(), "val") == sharpness(drawn(), "test") == {}

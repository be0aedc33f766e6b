"""Integrated gradients add up to the logit's change, and shares by hand."""

from __future__ import annotations

import math

import torch

from dropbench.programs.attributions import gradient, integrated, share
from dropbench.programs.network import fitted, logits, split


def test_integrated_gradients_add_up_and_of_a_line_are_input_times_gradient() -> None:
    (x, y), (x_test, y_test) = split(0)
    network = fitted(x[:100], y[:100], 0.0, 0, 100)
    sums = integrated(network, x_test, y_test).sum(1)
    change = (logits(network, x_test) - logits(network, 0 * x_test)).gather(1, y_test[:, None])[:, 0]
    torch.testing.assert_close(sums, change.detach(), atol=0.02, rtol=0)
    straight = [w.abs() for w in network]  # of inputs from 0 up no unit of it ever turns off
    expected = x_test * gradient(straight, x_test, y_test)
    torch.testing.assert_close(integrated(straight, x_test, y_test), expected, atol=1e-3, rtol=1e-3)


def test_shares_by_hand() -> None:
    assert math.isclose(share(torch.ones(3, 8)), 1)
    one = torch.zeros(2, 8)
    one[:, 3] = -5.0
    assert math.isclose(share(one), 1 / 8)
    two = one.clone()
    two[:, 0] = 5.0
    assert math.isclose(share(two), 2 / 8)

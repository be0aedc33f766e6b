"""Bytes of tensors that live at once, by hand."""

from __future__ import annotations

import torch

from dropbench.checks.memory import Bytes, peak

FLOAT = 4


def test_what_is_let_go_counts_no_longer_and_views_count_once() -> None:
    with Bytes() as counted:
        a = torch.ones(100)
        b = a + 1
        assert counted.now == 2 * 100 * FLOAT
        view = b[10:20].view(2, 5)
        assert counted.now == 2 * 100 * FLOAT
        del b
        assert counted.now == 2 * 100 * FLOAT  # the view holds it
        del view
        assert counted.now == 100 * FLOAT
        a += 1
    assert counted.peak == 2 * 100 * FLOAT


def test_what_backward_keeps_counts() -> None:
    x = torch.ones(1000).requires_grad_()
    with Bytes() as counted:
        y = x.exp()
        y = y.exp()
        assert counted.now == 2 * 1000 * FLOAT  # the first result is kept for the gradient
        y.sum().backward()
        del y
    assert counted.peak >= 3 * 1000 * FLOAT and x.grad is not None


def test_a_large_batch_takes_its_masks_and_what_they_leave() -> None:
    batch, units = 4096, 2 * 256
    more = peak(0.5, batch) - peak(0.0, batch)
    assert 0.9 * batch * units * FLOAT < more < 2.1 * batch * units * FLOAT
    assert peak(0.0, 8) > 4 * (64 * 256 + 256 * 256 + 256 * 10) * FLOAT  # weights, gradients and Adam's two averages

"""Private steps against gradients one by one, and an attack on networks that remember nothing."""

from __future__ import annotations

import pytest
import torch
from torch.nn.functional import cross_entropy

from dropbench.programs import privacy
from dropbench.programs.network import logits, split, start
from dropbench.programs.privacy import attack, clipped, privately


def test_each_gradient_is_cut_by_itself() -> None:
    (x, y), _ = split(0)
    weights = start(0, 64)
    one_by_one = [torch.zeros_like(w) for w in weights]
    lengths = []
    for i in range(6):
        own = [w.clone().requires_grad_() for w in weights]
        g = torch.autograd.grad(cross_entropy(logits(own, x[i : i + 1]), y[i : i + 1]), own)
        lengths.append(sum(part.square().sum() for part in g) ** 0.5)
        one_by_one = [total + part * min(1.0, 0.8 / lengths[-1]) for total, part in zip(one_by_one, g, strict=True)]
    assert min(lengths) > 0.8  # so that all of them are cut
    for ours, theirs in zip(clipped(weights, x[:6], y[:6], 0.8), one_by_one, strict=True):
        torch.testing.assert_close(ours, theirs)
    for ours, theirs in zip(clipped(weights, x[5:6], y[5:6], 100.0), g, strict=True):
        torch.testing.assert_close(ours, theirs)  # a short one is as it was


def test_an_example_moves_the_sum_by_no_more_than_the_cut() -> None:
    (x, y), _ = split(1)
    weights = start(1, 64)
    pairs = zip(clipped(weights, x[:9], y[:9], 0.5), clipped(weights, x[:10], y[:10], 0.5), strict=True)
    assert sum((a - b).square().sum() for a, b in pairs) ** 0.5 <= 0.5 + 1e-5


def test_nobody_is_found_in_a_network_that_was_not_trained_and_some_are_in_one_that_was(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert abs(attack(0, start(0, 64)) - 0.5) < 0.1
    monkeypatch.setattr(privacy, "N_TRAIN", 30)
    assert attack(0, privacy._with_dropout(0)) > 0.6


def test_without_noise_it_learns(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(privacy, "NOISE", 0.0)
    _, (x, y) = split(2)
    right = (logits(privately(2), x).argmax(1) == y).double().mean().item()
    assert right > 0.6

"""Private steps of Opacus against steps made by hand, and an attack on networks that remember nothing."""

from __future__ import annotations

import pytest
import torch
from opacus.accountants import PRVAccountant
from torch.nn.functional import cross_entropy

from dropbench.programs import privacy
from dropbench.programs.network import logits, split, start
from dropbench.programs.privacy import attack, privately


def test_a_step_without_noise_is_the_mean_of_gradients_that_are_cut_one_by_one(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in (("N_TRAIN", 6), ("LOT", 6), ("EPOCHS", 1), ("CLIP", 0.8), ("NOISE", 0.0)):
        monkeypatch.setattr(privacy, name, value)
    (x, y), _ = split(0)
    weights = start(0, 64)
    total, lengths = [torch.zeros_like(w) for w in weights], []
    for i in range(6):
        own = [w.clone().requires_grad_() for w in weights]
        g = torch.autograd.grad(cross_entropy(logits(own, x[i : i + 1]), y[i : i + 1]), own)
        lengths.append(float(sum(part.square().sum() for part in g)) ** 0.5)
        total = [t + part * min(1.0, 0.8 / lengths[-1]) for t, part in zip(total, g, strict=True)]
    assert min(lengths) > 0.8  # so that all of them are cut
    for ours, before, summed in zip(privately(0), weights, total, strict=True):
        torch.testing.assert_close(ours, before - privacy.PRIVATE_LR * summed / 6)


def test_the_same_weights_at_every_start_and_others_under_another_seed() -> None:
    torch.manual_seed(1)
    one = privately(3)
    torch.manual_seed(2)
    assert all(map(torch.equal, one, privately(3)))
    assert not torch.equal(one[0], privately(4)[0])


def test_the_steps_are_as_private_as_the_documents_say() -> None:
    accountant = PRVAccountant()
    accountant.history = [
        (privacy.NOISE, privacy.LOT / privacy.N_TRAIN, privacy.EPOCHS * privacy.N_TRAIN // privacy.LOT)
    ]
    assert accountant.get_epsilon(delta=1e-3) == pytest.approx(1.85, abs=0.005)


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

"""The bound of a variational autoencoder against torch's own divergence, and that training lowers it."""

from __future__ import annotations

import pytest
import torch
from torch.distributions import Normal, kl_divergence

from dropbench.programs import vae
from dropbench.programs.network import split
from dropbench.programs.vae import bound, divergence, fitted, worse


def test_divergence_is_torchs() -> None:
    mean, log_var = torch.randn(5, 3, generator=torch.Generator().manual_seed(0)), torch.linspace(-2, 1, 15).view(5, 3)
    theirs = kl_divergence(Normal(mean, (log_var / 2).exp()), Normal(0.0, 1.0)).sum(1)
    torch.testing.assert_close(divergence(mean, log_var), theirs)


def test_training_lowers_the_bound_and_no_rate_makes_no_difference(monkeypatch: pytest.MonkeyPatch) -> None:
    _, (x, _) = split(0)
    monkeypatch.setattr(vae, "STEPS", 0)
    before = bound(*fitted(0, 0.0), x)
    assert abs(before - 64 * 0.6931) < 3  # pixels of probability one half, and little divergence
    monkeypatch.setattr(vae, "STEPS", 200)
    assert bound(*fitted(0, 0.0), x) < before - 10
    monkeypatch.setattr(vae, "RATE", 0.0)
    assert worse(0) == 0

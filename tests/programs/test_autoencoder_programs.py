"""The autoencoder's corruption, and codes whose worth is known."""

from __future__ import annotations

import pytest
import torch
from torch import Generator

from dropbench.programs import autoencoder
from dropbench.programs.autoencoder import fitted, probe, repaired
from dropbench.programs.dense import start


def test_missing_pixels_are_zero_and_the_others_as_they_were() -> None:
    x = torch.rand(200, 64, generator=Generator().manual_seed(0)) + 1
    out = autoencoder._with_missing(x, Generator().manual_seed(1), 0.3)
    gone = out == 0
    assert abs(gone.double().mean().item() - 0.3) < 0.02
    torch.testing.assert_close(out[~gone], x[~gone])


def test_a_code_of_all_pixels_tells_classes_and_a_code_of_nothing_does_not() -> None:
    whole = [torch.eye(64), torch.zeros(64), torch.eye(64), torch.zeros(64), *start(0, 64, 64)]
    nothing = [torch.zeros_like(w) for w in whole]
    assert probe(1, whole) > 0.75
    assert probe(1, nothing) < 0.25


def test_training_on_incomplete_digits_repairs_them(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(autoencoder, "STEPS", 500)
    monkeypatch.setattr(autoencoder, "fitted", fitted.__wrapped__)
    assert repaired(2) < -0.1
    plain, noisy = fitted.__wrapped__(2), fitted.__wrapped__(2, rate=0.3)
    assert [w.shape for w in plain] == [w.shape for w in noisy] and not torch.equal(plain[0], noisy[0])

"""A bandit without noise explores nothing, and learns which arms pay."""

from __future__ import annotations

import pytest

from dropbench.programs import bandit
from dropbench.programs.bandit import advantage, paid


def test_without_noise_both_choose_alike(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bandit, "ROUNDS", 4)
    monkeypatch.setattr(bandit, "RATE", 0.0)
    assert advantage(0) == 0


def test_pay_is_a_share_and_grows_with_what_is_learnt(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bandit, "ROUNDS", 1)
    assert 0 <= paid(0, explores=True) <= 0.3  # by chance one of ten
    monkeypatch.setattr(bandit, "ROUNDS", 25)
    assert 0.15 < paid(0, explores=True) < 1

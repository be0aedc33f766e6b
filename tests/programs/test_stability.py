"""What one training example changes: nothing where it is replaced by itself, and less among many."""

from __future__ import annotations

import pytest
import torch

from dropbench.programs import stability
from dropbench.programs.stability import change, mean_change


def test_an_example_that_is_replaced_by_its_like_changes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    x, y = torch.ones(200, 64), torch.zeros(200, dtype=torch.int64)
    monkeypatch.setattr(stability, "STEPS", 5)
    monkeypatch.setattr(stability, "split", lambda seed: ((x, y), (x[:9], y[:9])))
    assert mean_change(0, 0.5) == mean_change(0, 0.0) == change(0) == 0


def test_another_example_changes_something_and_less_among_many(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stability, "STEPS", 60)
    monkeypatch.setattr(stability, "N_TRAIN", 20)
    few = mean_change(1, 0.0)
    monkeypatch.setattr(stability, "N_TRAIN", 500)
    assert 0 < mean_change(1, 0.0) < few < 1

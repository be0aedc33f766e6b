"""Imputation by hand in two dimensions, and which pixels are missing."""

from __future__ import annotations

import pytest
import torch

from dropbench.programs import incomplete
from dropbench.programs.incomplete import covariance, imputed, indicators, missing_by_chance, missing_by_value


def test_what_is_expected_of_a_missing_number() -> None:
    cov, mean = torch.tensor([[2.0, 1.0], [1.0, 3.0]]), torch.tensor([1.0, -1.0])
    x = torch.tensor([[4.0, 9.0], [9.0, 2.0], [5.0, 6.0], [7.0, 7.0]])
    there = torch.tensor([[True, False], [False, True], [True, True], [False, False]])
    filled = imputed(x, there, mean, cov)
    torch.testing.assert_close(filled, torch.tensor([[4.0, -1 + 3 / 2], [1 + 3 / 3, 2.0], [5.0, 6.0], [1.0, -1.0]]))
    assert x[0, 1] == 9


def test_it_is_nearer_than_the_mean() -> None:
    (x, _), (x_test, _) = incomplete._parted(0)
    there = missing_by_chance(x_test, 0)
    off = imputed(x_test, there, x.mean(0), covariance(x)) - x_test
    assert off.square().sum() < 0.7 * (x.mean(0) - x_test)[~there].square().sum()


def test_pixels_are_missing_at_the_rate_or_by_their_value() -> None:
    x = torch.linspace(0, 1, 64).expand(2000, 64)
    assert abs(missing_by_chance(x, 0).double().mean().item() - 0.5) < 0.01
    gone = (~missing_by_value(x, 0)).double().mean(0)
    torch.testing.assert_close(gone.float(), x[0], atol=0.06, rtol=0)


def test_indicators_are_worth_something_to_a_network_that_sees_nothing_else(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(incomplete, "STEPS", 150)
    monkeypatch.setattr(incomplete, "MISSING", 4.0)  # whatever is not black is missing, nearly always
    monkeypatch.setattr(incomplete, "_of_dropout", lambda seed, there: 0.1)
    assert indicators(0) > 0.4

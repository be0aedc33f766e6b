"""What is left of an error by hand, and that the true error would choose best."""

from __future__ import annotations

import math

import pytest
import torch

from dropbench.programs.fallback import FEATURES, N_TEST, N_TRAIN, error_left, numbers


def test_the_most_uncertain_fifth_is_exact() -> None:
    off = torch.tensor([1.0, 4.0, 9.0, 16.0, 25.0])
    assert error_left(off, torch.tensor([0.0, 0.0, 1.0, 0.0, 0.0])) == pytest.approx(math.sqrt(46 / 5))
    assert error_left(off, off) == pytest.approx(math.sqrt(30 / 5))
    assert off.tolist() == [1, 4, 9, 16, 25]


def test_test_inputs_lie_further_out() -> None:
    (x, y), (x_test, y_test) = numbers(0)
    assert x.shape == (N_TRAIN, FEATURES) and y.shape == (N_TRAIN,) and y_test.shape == (N_TEST,)
    assert 1.35 < (x_test.std() / x.std()).item() < 1.65
    (again, _), _ = numbers(0)
    assert torch.equal(x, again) and not torch.equal(x, numbers(1)[0][0])

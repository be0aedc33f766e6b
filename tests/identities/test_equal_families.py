"""Classic and inverted dropout are one family of networks: weights w under the one are weights keep · w under the
other.

Srivastava et al. 2014 (JMLR 15), sections 4 and 10. In training (δ ∘ x) · w = (δ / keep ∘ x) · (keep w), mask by mask,
and in evaluation (keep x) · w = x · (keep w). The two draw the same masks from one seed, so the equality needs no
sampling; where keep is a power of two it is one of every bit, because scaling by it commutes with rounding.
"""

from __future__ import annotations

import pytest
import torch
from every_mask import RATES, SINGLE, normal, vector
from hypothesis import given
from hypothesis import strategies as st
from noise_kit import stack_noise
from torch import Tensor

BATCH, D = 16, 24
TRAINING = pytest.mark.parametrize("training", [True, False])


def output(variant: str, rate: float, seed: int, x: Tensor, w: Tensor, training: bool) -> Tensor:
    at = vector(D)
    noise = stack_noise(variant, at, [rate], [seed], BATCH)
    noise.training = training
    return noise(at.name, x[None])[0] @ w


@TRAINING
@pytest.mark.parametrize("rate", [0.5, 0.75, 0.875])
@given(seed=st.integers(0, 2**31))
def test_bit_for_bit_where_keep_is_a_power_of_two(rate: float, training: bool, seed: int) -> None:
    x, w = normal(seed, BATCH, D).float(), normal(seed + 1, D, 5).float()
    classic = output("classic", rate, seed, x, w, training)
    assert torch.equal(classic, output("standard", rate, seed, x, w * (1 - rate), training))
    assert not torch.equal(classic, output("standard", rate, seed, x, w, training))


@TRAINING
@given(rate=RATES, seed=st.integers(0, 2**31))
def test_to_the_rounding_of_the_scale_elsewhere(training: bool, rate: float, seed: int) -> None:
    x, w = normal(seed, BATCH, D), normal(seed + 1, D, 5)
    classic = output("classic", rate, seed, x, w, training)
    standard = output("standard", rate, seed, x, w * (1 - rate), training)
    assert bool(((classic - standard).abs() <= SINGLE * (x.abs() @ w.abs())).all())

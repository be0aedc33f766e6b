"""Bits to masks: the rate is met over all 65,536 values of a draw, at the ends of the range too."""

from __future__ import annotations

import itertools

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from dropbench.dropout.base import LEVELS, keep_mask

EVERY_DRAW = torch.arange(-LEVELS // 2, LEVELS // 2, dtype=torch.int32).to(torch.int16)[None]


def kept_and_scale(rate: float) -> tuple[int, float]:
    mask = keep_mask(EVERY_DRAW, torch.tensor([[rate]]), torch.float64)
    values = mask.unique().tolist()
    assert values[0] == 0 or len(values) == 1
    return int((mask != 0).sum()), values[-1]


@given(st.floats(0, 1, exclude_max=True))
def test_rate_is_met_to_half_a_level_and_the_mean_is_one(rate: float) -> None:
    kept, scale = kept_and_scale(rate)
    assert kept == max(1, round(kept)) and abs(kept - (1 - rate) * LEVELS) <= max(0.51, 1 - (1 - rate) * LEVELS)
    assert kept * scale == pytest.approx(LEVELS, rel=1e-7)


@pytest.mark.parametrize(
    ("rate", "kept", "scale"),
    [
        (0.0, LEVELS, 1.0),  # the threshold is 32,767, the largest int16: one more would wrap to "drop everything"
        (2**-16, LEVELS - 1, LEVELS / (LEVELS - 1)),
        (0.1, 58982, LEVELS / 58982),
        (0.5, LEVELS // 2, 2.0),
        (1 - 2**-16, 1, float(LEVELS)),
        (1 - 2**-17, 1, float(LEVELS)),  # never nothing
        (1 - 2**-24, 1, float(LEVELS)),
    ],
)
def test_exact_counts_and_scales(rate: float, kept: int, scale: float) -> None:
    got = kept_and_scale(rate)
    assert got[0] == kept and got[1] == pytest.approx(scale, rel=1e-7)
    assert rate not in (0.0, 0.5) or got[1] == scale


@pytest.mark.parametrize("order", list(itertools.permutations(range(4))))
def test_values_do_not_depend_on_the_memory_order_and_the_mask_lies_as_the_bits_do(order: tuple[int, ...]) -> None:
    bits = torch.randint(-LEVELS // 2, LEVELS // 2, (2, 3, 4, 5), dtype=torch.int16)
    laid = bits.permute(order).contiguous().permute([order.index(i) for i in range(4)])
    rate = torch.tensor([0.2, 0.7]).view(2, 1, 1, 1)
    mask = keep_mask(laid, rate, torch.float32)
    assert torch.equal(mask, keep_mask(bits, rate, torch.float32))
    assert mask.stride() == laid.stride()


def test_bits_may_be_a_slice_of_a_block() -> None:
    block = torch.randint(-LEVELS // 2, LEVELS // 2, (2, 32), dtype=torch.int16)
    rate = torch.tensor([[0.2], [0.7]])
    assert torch.equal(keep_mask(block[:, :29], rate, torch.float32), keep_mask(block, rate, torch.float32)[:, :29])

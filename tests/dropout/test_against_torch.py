"""In distribution the same as torch's own layers, on inputs laid out as those expect."""

from __future__ import annotations

import math
from collections.abc import Callable

import pytest
import torch
from noise_kit import factor, site, stack_noise
from torch import Tensor, nn

BATCH, RATE = 6000, 0.3


def ours(variant: str, where: str) -> Tensor:
    at = site(where)
    return factor(stack_noise(variant, at, [RATE], [0], BATCH), at, 1, BATCH)[0]


def theirs(layer: nn.Module, shape: tuple[int, ...]) -> Tensor:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        out: Tensor = layer.train()(torch.ones(BATCH, *shape))
    return out


CASES: list[tuple[str, str, Callable[[], Tensor]]] = [
    ("standard", "f", lambda: theirs(nn.Dropout(RATE), (48,))),
    ("standard", "steps", lambda: theirs(nn.Dropout(RATE), (7, 24))),
    ("spatial", "maps", lambda: theirs(nn.Dropout2d(RATE), (16, 5, 4))),
    ("spatial", "steps", lambda: theirs(nn.Dropout1d(RATE), (24, 7)).transpose(1, 2)),
]


@pytest.mark.parametrize(("variant", "where", "reference"), CASES, ids=lambda v: v if isinstance(v, str) else "")
def test_same_values_and_same_counts_of_zeros(variant: str, where: str, reference: Callable[[], Tensor]) -> None:
    """Zeros an example have the same mean and the same variance, which is larger where elements fall together."""
    a, b = ours(variant, where), reference()
    assert a.shape == b.shape
    torch.testing.assert_close(a.unique(), b.unique(), rtol=1e-4, atol=0)
    mine, torchs = ((y == 0).flatten(1).sum(1).double() for y in (a, b))
    variance = float(torchs.var())
    assert abs(float(mine.mean() - torchs.mean())) < 5 * math.sqrt(2 * variance / BATCH)
    assert abs(float(mine.var()) - variance) < 5 * variance * math.sqrt(2 * 2 / BATCH)

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from dropbench.data import normalise
from dropbench.data.base import Table
from dropbench.data.normalise import statistics


def make(x: torch.Tensor, axes: str) -> Table:
    return Table("toy", x, torch.zeros(len(x), dtype=torch.int64), axes, 1)


@pytest.mark.parametrize(
    ("axes", "shape", "dims", "expected"),
    [("CHW", (3, 4, 5), (0, 2, 3), (3, 1, 1)), ("CHW", (1, 4, 5), (0, 2, 3), (1, 1, 1)), ("F", (6,), (0,), (6,)),
     ("TF", (5, 2), (0, 1), (2,))],
)  # fmt: skip
def test_equals_torch_and_makes_training_rows_standard(axes, shape, dims, expected) -> None:
    x = torch.randn(50, *shape, generator=torch.Generator().manual_seed(0)) * 3 + 100
    rows = torch.arange(0, 50, 2)
    mean, std = statistics(make(x, axes), rows)
    assert mean.shape == std.shape == expected
    assert mean.dtype == std.dtype == torch.float32
    part = x[rows].double()
    torch.testing.assert_close(mean.flatten().double(), part.mean(dims), rtol=1e-6, atol=0)
    torch.testing.assert_close(std.flatten().double(), part.std(dims, correction=0), rtol=1e-6, atol=0)
    standard = (x[rows] - mean) / std
    torch.testing.assert_close(standard.mean(dims), torch.zeros(part.mean(dims).shape), rtol=0, atol=1e-5)


@given(st.integers(0, 2**31), st.floats(-1e6, 1e6))
def test_nothing_but_training_rows_matters(seed: int, poison: float) -> None:
    x = torch.randn(12, 3, generator=torch.Generator().manual_seed(seed))
    rows = torch.randperm(12, generator=torch.Generator().manual_seed(seed))[:5]
    other = torch.full_like(x, poison)
    other[rows] = x[rows]
    for before, after in zip(statistics(make(x, "F"), rows), statistics(make(other, "F"), rows), strict=True):
        assert torch.equal(before, after)


@given(st.floats(-1e6, 1e6, width=32))
def test_a_constant_feature_has_scale_one(value: float) -> None:
    x = torch.tensor([[value, 0.0], [value, 1e-3]])
    _, std = statistics(make(x, "F"), torch.arange(2))
    assert std[0] == 1
    assert std[1] == pytest.approx(5e-4)  # small, but real


def test_a_constant_channel_has_scale_one() -> None:
    _, std = statistics(make(torch.full((5, 2, 3, 3), 0.1), "CHW"), torch.arange(5))
    assert std.flatten().tolist() == [1, 1]


def test_chunks_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    table, rows = make(torch.rand(50, 2, 3, 3), "CHW"), torch.arange(1, 40)
    whole = statistics(table, rows)
    monkeypatch.setattr(normalise, "_CHUNK", 7)
    for a, b in zip(whole, statistics(table, rows), strict=True):
        torch.testing.assert_close(a, b, rtol=1e-6, atol=0)

"""Means and standard deviations beside exact arithmetic, and in any order."""

from __future__ import annotations

import math
import random
import statistics
from fractions import Fraction

import pytest

from dropbench.report.statistics.moments import mean, sd


def test_a_mean_is_that_of_exact_arithmetic_in_any_order() -> None:
    draw = random.Random(0)
    for _ in range(200):
        values = [draw.randrange(200) / 200 for _ in range(draw.randint(1, 12))]
        total = float(sum(map(Fraction, values)))  # rounded once
        assert mean(values) == mean(sorted(values)) == mean(reversed(values)) == total / len(values)
        if len(values) > 1:
            assert sd(values) == sd(sorted(values)) == pytest.approx(statistics.stdev(values), rel=1e-14)


@pytest.mark.parametrize(
    ("values", "middle", "spread"),
    [
        ([], math.nan, math.nan),
        ([math.nan], math.nan, math.nan),
        ([0.5], 0.5, math.nan),
        ([0.5, math.nan, 1.5], 1.0, math.sqrt(0.5)),
        ([1.0, math.inf], math.inf, math.nan),
        ([math.inf, -math.inf], math.nan, math.nan),
        ([1.5e308, 1.5e308], 1.5e308, 0.0),
    ],
)
def test_values_that_are_missing_infinite_or_huge(values: list[float], middle: float, spread: float) -> None:
    assert [mean(values), sd(values)] == pytest.approx([middle, spread], nan_ok=True)

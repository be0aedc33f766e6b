"""That the comparison sees what it is for: a rate, a scale, an axis, and no difference where there is none."""

from __future__ import annotations

import pytest
import torch
from beside import MAPS, SEQUENCE, VECTOR, distance, drop_fraction, fixed_input, ours
from noise_kit import theirs
from torch import nn

from dropbench.sites import Site


@pytest.mark.parametrize("at", [VECTOR, SEQUENCE, MAPS], ids=lambda at: at.axes)
def test_two_samples_of_one_distribution_are_near(at: Site) -> None:
    a, b = theirs(nn.Dropout(0.25), fixed_input(at, 40_000)).chunk(2)
    assert distance(a, b) < 5


@pytest.mark.parametrize(
    ("variant", "rate"),
    [
        ("standard", 0.3),
        ("standard", 0.75),
        ("classic", 0.25),
        ("spatial", 0.25),
        ("gaussian", 0.25),
        ("dropblock", 0.25),
    ],
    ids=["rate", "keep for rate", "scale", "sharing", "no zeros", "overlap"],
)
def test_it_tells_these_from_standard_dropout_at_a_quarter(variant: str, rate: float) -> None:
    assert distance(ours("standard", MAPS, 0.25), ours(variant, MAPS, rate)) > 10


def test_it_tells_axes_apart() -> None:
    features = ours("spatial", SEQUENCE, 0.25) / fixed_input(SEQUENCE)
    steps = theirs(nn.Dropout1d(0.25), torch.ones_like(features))
    assert distance(features, steps) > 20


def test_drop_fraction() -> None:
    fraction, error = drop_fraction(torch.tensor([[0.0, 1, 1, 1], [0, 0, 0, 1]]))
    assert fraction == 0.5 and error == pytest.approx(0.25)

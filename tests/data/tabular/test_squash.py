"""The robust scaling, by hand and beside skrub's."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from dropbench.data.tabular.squash import Squash


def test_by_hand() -> None:
    x = np.array([[0.0], [1], [2], [3], [100]])
    z = (x - 2) / (3 - 1)
    assert Squash().fit(x).transform(x) == pytest.approx(z / np.sqrt(1 + (z / 3) ** 2))


def test_where_the_quartiles_are_equal_the_range_counts() -> None:
    x = np.array([[0.0], [0], [0], [0], [8]])
    assert Squash().fit(x).transform(x)[-1] == pytest.approx(2 / np.sqrt(1 + (2 / 3) ** 2))


def test_a_column_of_one_value_is_zero() -> None:
    x = np.full((4, 1), 7.0)
    assert Squash().fit(x).transform(x).tolist() == [[0]] * 4


@given(arrays(np.float64, (9, 2), elements=st.floats(-1e6, 1e6, width=32)))
def test_within_three_and_in_order(x: np.ndarray) -> None:
    found = Squash().fit(x).transform(x)
    assert (np.abs(found) <= 3).all()
    for one, squashed in zip(x.T, found.T, strict=True):
        assert (np.diff(squashed[np.argsort(one)]) >= 0).all()


@given(arrays(np.float64, (12, 1), elements=st.integers(-9, 9).map(float)), st.integers(0, 3))
def test_as_skrub_does(x: np.ndarray, outliers: int) -> None:
    skrub = pytest.importorskip("skrub")
    x[:outliers] *= 1000
    assert Squash().fit(x).transform(x) == pytest.approx(skrub.SquashingScaler().fit_transform(x), abs=1e-9)

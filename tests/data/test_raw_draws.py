from __future__ import annotations

import numpy as np

from dropbench.data.raw_draws import below, permutation, unit

LAST = np.uint64(2**64 - 1)


def test_unit_reaches_zero_but_not_one() -> None:
    assert unit(np.array([0, 2**63, LAST], dtype=np.uint64)).tolist() == [0.0, 0.5, 1 - 2**-53]


def test_below_covers_its_range_evenly_and_never_leaves_it(raw) -> None:
    assert below(np.array([0, LAST], dtype=np.uint64), 7).tolist() == [0, 6]
    counts = np.bincount(below(raw(0)(70_000), 7), minlength=7)
    assert abs(counts - 10_000).max() < 5 * np.sqrt(10_000)


def test_permutation_is_one_even_of_equal_draws(raw) -> None:
    assert sorted(permutation(raw(0)(100))) == list(range(100))
    assert permutation(np.zeros(5, dtype=np.uint64)).tolist() == [0, 1, 2, 3, 4]

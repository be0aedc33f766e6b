"""Seeds: how fresh ones are chosen, and how seeds are typed."""

from __future__ import annotations

import pytest

from dropbench.seeds import fresh, typed


@pytest.mark.parametrize(
    ("used", "start", "stop"),
    [(range(10), 1000, 1010), (range(1000, 1010), 2000, 2010), ([3, 999], 1000, 1002), ([1000], 2000, 2001)],
)
def test_fresh_seeds_are_as_many_from_the_next_thousand_on(used: list[int], start: int, stop: int) -> None:
    assert fresh(used) == range(start, stop)


@pytest.mark.parametrize(
    ("seeds", "override"),
    [([0, 1, 2], "seed=range(0,3)"), ([2, 0], "seed=0,2"), ([7], "seed=7"), ([3, 2], "seed=range(2,4)")],
)
def test_seeds_as_they_are_typed(seeds: list[int], override: str) -> None:
    assert typed(seeds) == override

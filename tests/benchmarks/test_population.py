"""What docs/statistics.md says of intervals and verdicts about examples like those tested, in small."""

from __future__ import annotations

import math

import numpy as np
import pytest

from benchmarks.population import DESIGNS, EVEN, UNLIKE, Design, World, coverage, study, told

REDRAWN, ONE_SPLIT = DESIGNS[:2]


def test_the_effect_on_the_population_is_the_one_that_is_said() -> None:
    """By one seed of each of 400 pools."""
    random = np.random.default_rng(0)
    for world in (EVEN, UNLIKE):
        means = [study(world, REDRAWN, 1, 1, random)[0][0].values.mean() for _ in range(400)]
        assert abs(np.mean(means) - world.effect) < 4 * np.std(means) / math.sqrt(len(means))


def test_where_examples_do_not_differ_seeds_alone_are_enough() -> None:
    """What an example adds is then noise, and intervals over seeds and examples are hardly wider."""
    alike = World(example=0.0, own=0.0, network=0.0005, right=0.9)
    held = coverage(alike, REDRAWN, 10, 200)
    assert held["seeds alone"][0] >= 0.9
    assert 1 <= held["moments"][1] < 1.1


@pytest.mark.slow
@pytest.mark.parametrize("design", [REDRAWN, ONE_SPLIT], ids=str)
def test_intervals_of_forty_seeds(design: Design) -> None:
    """With 200 studies a share of .95 has a standard error of .015."""
    held = coverage(UNLIKE, design, 40, 200)
    assert held["seeds alone"][0] < 0.8
    assert 0.88 <= held["with one"][0] <= 0.99
    assert held["pigeonhole"][1] > held["with one"][1]


@pytest.mark.slow
@pytest.mark.parametrize("arms", [1, 8])
def test_without_an_effect_on_new_examples_none_is_told(arms: int) -> None:
    """Of 200 studies of 20 seeds on one split, by seeds alone in four of ten or more."""
    narrow, wide = told(ONE_SPLIT, 20, arms, 200)
    assert narrow > 0.25
    assert wide <= 0.05 + 3 * math.sqrt(0.05 * 0.95 / 200)

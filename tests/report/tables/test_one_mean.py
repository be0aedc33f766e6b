"""The mean of the same runs is the same number, to the last bit, wherever a report shows it."""

from __future__ import annotations

import random
from typing import Any

import pytest

from dropbench import report
from dropbench.report.tables.asked import Questions


@pytest.mark.parametrize("draw", range(6))
def test_all_tables_have_the_same_mean(draw: int, fake: Any, put: Any, store: Any) -> None:
    """Of ten runs of 200 test examples: a mean such as 75.15 was printed as 75.1 in one table and 75.2 in another."""
    drawn = random.Random(draw)
    for rate in (0.1, 0.25, 0.5):
        for seed in range(10):
            on = {"dropout": "standard", "dropout.rate": rate}
            val, test = (drawn.randrange(140, 160) / 200 for _ in range(2))
            put(fake(seed, changes=on, val=val, test=test, n={"train": 800, "val": 200, "test": 200}))
    (c,) = report.build([store.root]).comparisons
    levels = {s.arm.label: s.levels for s in c.summaries}
    (choice,) = c.choices
    level = levels[choice.chosen][choice.test]
    assert (choice.test_mean, choice.test_sd) == (level.mean, level.sd)
    assert choice.score == levels[choice.chosen][choice.rule].mean
    (grid,) = report.pivot([store.root], rows="dropout.rate").grids
    cells = {
        f"standard {row}": (mean, sd) for row, mean, sd in grid.table[["row", "mean", "sd"]].itertuples(index=False)
    }
    assert cells == {label: (of[choice.test].mean, of[choice.test].sd) for label, of in levels.items()}
    asked = report.asked([store.root], [], Questions(optima=("dropout.rate",)))
    assert asked.asked is not None
    (found,) = asked.asked.optima
    assert {one.label: (one.mean, one.sd) for one in found.candidates} == cells

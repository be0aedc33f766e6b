"""How many seeds an open question would take: the same number wherever a report says it."""

from __future__ import annotations

import math
import random
import re
from types import SimpleNamespace
from typing import Any

import pytest

from dropbench import report
from dropbench.report.diagnosis.remedies import it_would_take
from dropbench.report.statistics.power import MOST, Seeds


@pytest.mark.parametrize(
    ("needed", "says"),
    [
        (
            [(90.0, 120.0), (182.0, 378.0)],
            "about 182 seeds in all would settle b with an even chance, and 378 with four",
        ),
        ([(90.0, 120.0), (250.0, math.inf)], "about 250 seeds in all would settle b with an even chance"),
        ([(math.nan, math.nan), (math.inf, math.inf)], f"it would take more than {MOST:,} seeds"),
        ([(math.nan, math.nan)], "ranks decide here"),
    ],
)
def test_it_is_the_arm_with_the_best_mean(needed: list[tuple[float, float]], says: str) -> None:
    up = SimpleNamespace(direction=1)
    arms: Any = {
        name: SimpleNamespace(seeds_needed=Seeds(*n), measure=up, difference=SimpleNamespace(mean=i))
        for i, (name, n) in enumerate(zip("ab", needed, strict=False))
    }
    assert it_would_take(arms)[0].startswith(says)


def test_table_diagnosis_and_page_say_the_same(fake: Any, put: Any, store: Any) -> None:
    luck = random.Random(2)
    for seed in range(10):
        base = 0.8 + luck.gauss(0, 0.01)
        changes = {"dropout": "standard", "dropout.rate": 0.5}
        put(
            fake(seed, test=base, val=base), fake(seed, changes=changes, test=base + luck.gauss(0.006, 0.012), val=base)
        )
    whole = report.build([store.root])
    needed = whole.comparisons[0].verdicts["standard 0.5"].seeds_needed
    assert needed.likely > 100 and math.isfinite(needed.even)
    says = f"about {needed.even:,.0f} seeds in all would settle standard 0.5 with an even chance"
    (found,) = [d for d in whole.comparisons[0].diagnosis or () if d.rule == "undecided"]
    assert says in found.advice and not found.steps
    page = re.sub(r"\s+", " ", report.render(whole, "html", None))
    assert f"{says[0].upper()}{says[1:]}"[6:] in page.partition('class="todo"')[2][:400]
    assert f"it would take {needed.even:,.0f}" in page

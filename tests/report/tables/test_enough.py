"""What it would take to settle an open question says one thing: go on, take more time, or stop."""

from __future__ import annotations

import math
import re
from itertools import product
from typing import Any

import numpy as np
import pytest

from dropbench.report.records.measures import Measure
from dropbench.report.statistics.contrast import Contrast, Numbers
from dropbench.report.statistics.judged import judged
from dropbench.report.tables.enough import Budget, Need, needed
from dropbench.store import Measure as Declaration

ACCURACY = Measure("test", "accuracy", Declaration("higher", unit="percent"))
CONTINUE, HOPELESS, LONGER = "run the same command again to continue", "probably not settle it", "with more time"


class _Of(Numbers):
    """Differences in accuracy, one per seed."""

    @property
    def measure(self) -> Measure:
        return ACCURACY


def contrast(mean: float, spread: float, seeds: int) -> Contrast:
    """Differences with exactly this mean and standard deviation, which the seeds of a normal sample have."""
    values = np.random.default_rng(seeds).standard_normal(seeds)
    if seeds > 1:
        values = (values - values.mean()) / values.std(ddof=1)
    by_seed = {seed: float(v) for seed, v in enumerate(mean + spread * values)}
    (told,) = judged([_Of(by_seed)], lambda label, measure: {}, 0.002)
    return told


def need(told: Contrast, budget: Budget) -> Need:
    return needed(told, "standard 0.5", budget)


@pytest.mark.parametrize(
    ("mean", "spread", "seeds", "planned", "left"),
    [*product((0.001, 0.004, 0.01), (0.003, 0.03), (1, 2, 5, 8, 30), (30, 400), (True, False))],
)
def test_what_it_says_never_contradicts_itself(
    mean: float, spread: float, seeds: int, planned: int, left: bool
) -> None:
    found = need(contrast(mean, spread, seeds), Budget(planned, left and seeds < planned, 400, 2.0))
    said = [words for words in (CONTINUE, HOPELESS, LONGER) if words in found.says]
    assert len(said) <= 1
    assert (said == [CONTINUE]) == (found.next == CONTINUE)
    assert (HOPELESS in found.says) <= found.next.startswith("stop here")
    if not left:
        assert CONTINUE not in found.says and "the time was over" not in found.says.lower()
    assert not re.search(r"\b(inf|nan)\b", found.says)


@pytest.mark.parametrize("seeds", [1, 2, 5])
def test_few_seeds_are_not_said_to_be_in_vain(seeds: int) -> None:
    """One seed has no spread, so how many are needed is not known: that is no reason to say that there would be too many."""
    found = need(contrast(0.002, 0.02, seeds), Budget(100, True, 400))
    assert found == Need(
        f"no verdict is possible with fewer than 6 seeds, and the time was over after {seeds}; {CONTINUE}", CONTINUE
    )


def test_seeds_that_are_planned_are_worth_going_on_for() -> None:
    told = contrast(0.008, 0.01, 10)
    even = told.seeds_needed.even
    assert 10 < even < 60
    going, short, done = (
        need(told, budget) for budget in (Budget(60, True, 400), Budget(12, True, 400), Budget(10, False, 400))
    )
    assert f"about {even:.0f} seeds in all" in going.says and CONTINUE in going.says
    assert LONGER in short.says and LONGER in done.says and CONTINUE not in short.says + done.says


def test_the_time_that_is_proposed_is_enough_at_the_pace_so_far() -> None:
    told = contrast(0.008, 0.01, 10)
    seconds = (told.seeds_needed.even - 10) * 30.0
    said = need(told, Budget(10, False, 400, 30.0)).next
    match = re.search(r"--minutes (\d+)", said)
    assert match and seconds < 60 * int(match[1]) < 2 * seconds + 60
    assert "--minutes" not in need(told, Budget(10, False, 400, math.nan)).next


@pytest.mark.parametrize(("planned", "spent"), [(10, 300.0), (20, 300.0), (20, 1000.0)])
def test_the_time_that_is_proposed_begins_a_larger_comparison(planned: int, spent: float) -> None:
    """First the rest of what is planned is trained; then twice the time that all of it took has to be left."""
    told, each = contrast(0.006, 0.01, 10), 30.0
    assert planned < told.seeds_needed.even
    match = re.search(r"--minutes (\d+)", need(told, Budget(planned, planned > 10, 400, each, spent)).next)
    rest = (planned - 10) * each
    assert match and 60 * int(match[1]) - rest >= 2 * (spent + rest)


def test_too_many_seeds_are_in_vain_with_or_without_time() -> None:
    told = contrast(0.0021, 0.03, 40)
    assert math.isinf(told.seeds_needed.even)
    stopped, done = need(told, Budget(100, True, 400)), need(told, Budget(40, False, 400))
    assert "more than 1,000 seeds" in stopped.says and HOPELESS in stopped.says and "Stop here" in stopped.says
    assert done.says.endswith("All 40 seeds that were planned are trained") and done.next == "stop here"


def test_more_than_the_command_ever_trains_is_said_to_be_more() -> None:
    told = contrast(0.008, 0.01, 10)
    said = need(told, Budget(10, False, 11)).says
    assert "more than the 11 that this command trains at most" in said


def test_runs_that_diverged_leave_the_number_unknown() -> None:
    lost = dict.fromkeys(range(8), 0.0)
    (told,) = judged([_Lost(lost)], lambda label, measure: {}, 0.002, lambda label: set())
    found = need(told, Budget(50, True, 400))
    assert "how many seeds is not known" in found.says and CONTINUE in found.says


class _Lost(_Of):
    """Seeds of which two diverged in the arm."""

    def lost(self, scores: Any, diverged: Any) -> tuple[dict[int, float], tuple[int, int]]:
        return {100: -math.inf, 101: -math.inf}, (2, 0)

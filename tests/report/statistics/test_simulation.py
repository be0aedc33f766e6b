"""What a report claims, held against thousands of simulated studies whose truth is known: benchmarks/verdicts.py in small."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from dropbench.report.records.measures import Measure
from dropbench.report.statistics.contrast import Contrast, Minus
from dropbench.report.statistics.difference import unpaired
from dropbench.report.statistics.judged import judged
from dropbench.report.statistics.verdict import SAME
from dropbench.store import Measure as Declaration

SCORE = Measure("test", "score", Declaration("higher"))
DRAWS: dict[str, Callable[[Any, Any], Any]] = {
    "normal": lambda rng, size: rng.normal(size=size),
    "normal in steps of half an sd": lambda rng, size: np.round(2 * rng.normal(size=size)) / 2,
    "t with 3 degrees of freedom": lambda rng, size: rng.standard_t(3, size=size) / math.sqrt(3),
    "gumbel": lambda rng, size: (rng.gumbel(size=size) - np.euler_gamma) / 1.28,
    "exponential": lambda rng, size: rng.exponential(size=size) - 1,
}


def study(draw: str, rng: Any, n: int, truths: list[float], region: float = 0.0) -> list[Contrast]:
    """Arms whose differences have an sd of about 1, half of it shared, since they are of one baseline."""
    noise = DRAWS[draw]
    drawn = math.sqrt(0.5) * noise(rng, (n, 1)) + math.sqrt(0.5) * noise(rng, (n, len(truths))) + np.array(truths)
    scores = {f"arm {k}": dict(enumerate(column.tolist())) for k, column in enumerate(drawn.T)}
    scores["none"] = dict.fromkeys(range(n), 0.0)
    asked = [Minus(f"arm {k}", "none", SCORE) for k in range(len(truths))]
    return judged(asked, lambda label, _: scores[label], region)


def missed(contrasts: list[Contrast], truths: list[float]) -> bool:
    """Whether any of the intervals that hold together does not."""
    return any(not c.difference.low <= truth <= c.difference.high for c, truth in zip(contrasts, truths, strict=True))


def most(share: float, runs: int) -> float:
    return share + 4 * math.sqrt(share * (1 - share) / runs)


@pytest.mark.parametrize(("n", "arms"), [(6, 1), (10, 1), (6, 8), (8, 3), (10, 8)])
@pytest.mark.parametrize("draw", ["normal", "t with 3 degrees of freedom"])
def test_all_intervals_hold_at_once(draw: str, n: int, arms: int) -> None:
    """With effects in half of the arms and none in the others: at most 5 % of studies have an interval that misses."""
    rng, runs = np.random.default_rng([n, arms, len(draw)]), 400
    truths = [0.0 if k % 2 else 3.0 for k in range(arms)]
    found = [study(draw, rng, n, truths) for _ in range(runs)]
    assert np.mean([missed(f, truths) for f in found]) <= most(0.05, runs)
    # And so a winner among arms without an effect is said as rarely, by verdict and by adjusted p.
    wrong = [any(c.confirmed for c, t in zip(f, truths, strict=True) if not t) for f in found]
    low = [any(c.difference.p_adjusted <= 0.05 for c, t in zip(f, truths, strict=True) if not t) for f in found]
    assert np.mean(wrong) <= most(0.05, runs) and np.mean(low) <= most(0.05, runs)


@pytest.mark.parametrize(("arms", "least"), [(8, 0.9), (60, 0.85)])
def test_effects_of_three_sd_are_found_with_six_seeds_among_many_arms(arms: int, least: float) -> None:
    """Where Holm's correction of exact p values has a power of 0: 8 · 2/64 is more than .05."""
    rng, runs = np.random.default_rng(arms), 60
    told = [study("normal", rng, 6, [3.0] + [0.0] * (arms - 1))[0].verdict for _ in range(runs)]
    assert told.count("better") / runs >= least


@pytest.mark.slow
@pytest.mark.parametrize("draw", DRAWS)
@pytest.mark.parametrize("n", [6, 10, 30])
@pytest.mark.parametrize("arms", [1, 4])
def test_no_effect(draw: str, n: int, arms: int) -> None:
    """Nominal 5 %. Exponential differences are the worst that is simulated: 13 % at most, as the table in the docs says."""
    rng, runs = np.random.default_rng([n, arms, len(draw)]), 2000
    found = [study(draw, rng, n, [0.0] * arms) for _ in range(runs)]
    share = np.mean([missed(f, [0.0] * arms) for f in found])
    assert share <= most({"exponential": 0.13, "gumbel": 0.08}.get(draw, 0.06), runs)


@pytest.mark.slow
@pytest.mark.parametrize("n", [6, 10, 30])
def test_a_difference_on_the_edge_of_the_region_is_rarely_told(n: int) -> None:
    rng, runs = np.random.default_rng(n), 2000
    found = [study("normal", rng, n, [0.3], 0.3)[0] for _ in range(runs)]
    assert np.mean([c.verdict == "better" for c in found]) <= most(0.025, runs)
    assert np.mean([c.verdict == SAME for c in found]) <= most(0.025, runs)


@pytest.mark.slow
@pytest.mark.parametrize(("n", "m"), [(6, 6), (6, 20)])
def test_unpaired_runs_without_an_effect(n: int, m: int) -> None:
    rng, runs = np.random.default_rng(n + m), 2000
    found = [unpaired(rng.normal(0, 2, n), rng.normal(0, 1, m)) for _ in range(runs)]
    assert 0.93 <= np.mean([d.low <= 0 <= d.high for d in found]) <= 0.97

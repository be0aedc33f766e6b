"""What a study could have found and how many seeds would settle it, by hand and by studies whose truth is known."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest

from dropbench.report.records.measures import Measure
from dropbench.report.statistics import power
from dropbench.report.statistics.contrast import Contrast, Minus
from dropbench.report.statistics.difference import Difference
from dropbench.report.statistics.judged import judged
from dropbench.store import Measure as Declaration

SCORE = Measure("test", "score", Declaration("higher"))


def studied(rng: np.random.Generator, n: int, shifts: list[float], region: float) -> list[Contrast]:
    """Arms beside one baseline, whose luck they share; differences have an sd of 1."""
    other = rng.normal(size=n) / math.sqrt(2)
    arms = {f"arm {k}": other + rng.normal(size=n) / math.sqrt(2) + shift for k, shift in enumerate(shifts)}
    scores = {label: dict(enumerate(map(float, values))) for label, values in {"other": 2 * other, **arms}.items()}
    scores["other"] = dict.fromkeys(range(n), 0.0)
    return judged([Minus(label, "other", SCORE) for label in arms], lambda label, _: scores[label], region)


def test_the_detectable_effect_by_hand() -> None:
    # A spread that is known: half of the interval and the normal quantile of .80, 0.8416 (tables).
    d = Difference(pairs=10, n=10, mean=0.1, sd=2.0, error=2 / math.sqrt(10), df=1e9, low=-1.3, high=1.5)
    assert power.detectable(d, 0.25) == pytest.approx(0.25 + 1.4 + 0.8416 * 2 / math.sqrt(10), abs=1e-4)
    assert power.detectable(d, math.nan) == power.detectable(d, 0.0) < power.detectable(replace(d, df=9), 0.0)
    assert math.isnan(power.detectable(Difference(pairs=6, low=-math.inf, high=1.0, df=5, error=1.0), 0.1))


@pytest.mark.parametrize(("n", "arms"), [(6, 1), (10, 1), (10, 8), (20, 3), (7, 20)])
def test_an_effect_of_the_printed_size_is_confirmed_in_four_of_five_studies(n: int, arms: int) -> None:
    """The effect is what one study prints, and the power that of further studies, on average over what is printed."""
    rng = np.random.default_rng([n, arms])
    told, studies = 0, 250
    for _ in range(studies):
        effect = studied(rng, n, [0.0] * arms, 0.1)[0].detectable
        told += studied(rng, n, [effect] + [0.0] * (arms - 1), 0.1)[0].verdict == "better"
    assert told / studies == pytest.approx(0.8, abs=0.1)


def test_the_share_that_so_many_seeds_settle_is_as_told() -> None:
    """Pilots of eight seeds, whatever the truth: at the number told for four in five about so many are settled."""
    rng = np.random.default_rng(0)
    settled, asked = {"even": 0, "likely": 0}, 0
    for _ in range(800):
        mean = rng.uniform(-2, 2)

        def study(n: int, before: list[float], mean: float = mean) -> tuple[list[float], Contrast]:
            values = before + rng.normal(mean, 1, size=n - len(before)).tolist()
            scores = {"a": dict(enumerate(values)), "b": dict.fromkeys(range(n), 0.0)}
            return values, judged([Minus("a", "b", SCORE)], lambda label, _: scores[label], 0.4)[0]

        pilot, found = study(8, [])
        if found.confirmed or not found.seeds_needed.likely <= 80:
            continue
        asked += 1
        for name, n in found.seeds_needed._asdict().items():
            settled[name] += study(int(n), pilot)[1].confirmed
    assert asked > 80
    assert 0.4 <= settled["even"] / asked <= 0.65 and 0.7 <= settled["likely"] / asked <= 0.9


def test_more_room_takes_fewer_seeds_and_nothing_settles_an_edge() -> None:
    def needed(mean: float, region: float, sd: float = 1.0, examples: int = 0) -> power.Seeds:
        d = Difference(
            pairs=12, n=12, mean=mean, sd=sd, error=sd / math.sqrt(12), df=11, low=mean - 0.64, high=mean + 0.64
        )
        return power.seeds_to_settle(d, region, 0.05, examples)

    assert needed(0.9, 0.2).likely < needed(0.6, 0.2).likely < needed(0.4, 0.2).likely
    assert needed(-0.6, 0.2) == pytest.approx(needed(0.6, 0.2), rel=0.2)
    assert needed(0.0, 0.8).likely < needed(0.0, 0.5).likely
    assert needed(0.2, 0.2).even > 100 and math.isinf(needed(0.2, 0.2).likely)
    assert needed(0.6, 0.2).even <= needed(0.6, 0.2).likely
    # Ten examples a seed cannot show a hundredth before the thirtieth seed.
    assert needed(0.0, 0.01, 1e-6).likely == 13 and needed(0.0, 0.01, 1e-6, 10).likely >= 30


def test_what_more_seeds_cannot_make_smaller() -> None:
    """Of an interval that is wide since examples are few: twice the seeds are not half the variance."""
    d = Difference(pairs=12, n=12, mean=0.5, sd=1.0, error=1 / math.sqrt(12), df=11, low=-0.14, high=1.14)
    wide = Difference(
        pairs=12, n=12, mean=0.5, sd=1.0, error=2 / math.sqrt(12), df=11, low=-0.78, high=1.78, widened=2.0
    )
    assert power.seeds_to_settle(d, 0.1, 0.05).likely < math.inf == power.seeds_to_settle(wide, 0.1, 0.05).likely


def test_with_as_many_seeds_as_there_are_it_is_the_detectable_effect() -> None:
    rng = np.random.default_rng(0)
    for n, shifts in ((6, [0.3]), (12, [0.3, -0.1, 1.0]), (30, [0.0])):
        for told in studied(rng, n, shifts, 0.1):
            same = power.detectable_with(told.difference, 0.1, 0.05, n)
            assert same == pytest.approx(told.detectable, rel=1e-9)
            more = [power.detectable_with(told.difference, 0.1, 0.05, seeds) for seeds in power.AHEAD]
            assert more == sorted(more, reverse=True) and more[-1] > 0.1


def test_more_seeds_do_not_make_smaller_what_examples_add() -> None:
    d = Difference(pairs=8, n=8, mean=0.1, sd=1.0, error=2 / math.sqrt(8), df=7, low=-1.0, high=1.2, widened=2.0)
    floor = math.sqrt(3 / 8)
    assert power.detectable_with(d, 0.0, 0.05, 10**6) > 1.96 * floor
    assert power.detectable_with(replace(d, widened=1.0), 0.0, 0.05, 10**6) < 0.1 * floor

"""A difference on another measure than the one asked about is told, if it is certain among all that were looked at."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from dropbench.report import build
from dropbench.report.statistics.contrast import Minus
from dropbench.report.statistics.judged import judged
from dropbench.report.tables.advice import Advice, advice
from dropbench.report.tables.beside import better_beside, further, worse_beside
from dropbench.report.tables.comparison import Comparison
from dropbench.report.tables.enough import Budget
from dropbench.store import Measure as Declaration
from dropbench.store import Store

METRICS = {
    "loss": Declaration("lower", unit="nats", region="0.01"),
    "balanced_accuracy": Declaration("higher", unit="percent", region="0.5pp"),
    "ece": Declaration("lower", region="0.005"),
}
Made = Callable[..., Comparison]


@pytest.fixture
def made(fake: Any, put: Any, store: Store) -> Made:
    """Arms with noisy accuracies that do not differ, and these mean differences in further measures, by rate."""

    def make(
        effects: dict[float, dict[str, float]],
        seeds: int = 20,
        spread: float = 0.004,
        start: int = 0,
        better: float = 0.0,
    ) -> Comparison:
        luck = np.random.default_rng(start)
        names = dict.fromkeys(name for effect in effects.values() for name in effect)
        for seed in range(seeds):
            for rate in (0.0, *effects):
                plus = better if rate else 0.0
                changes = {"dropout": "standard", "dropout.rate": rate} if rate else {}
                record = fake(seed, changes=changes, test=0.8 + plus + 0.02 * luck.standard_normal())
                record.metrics["test_loss"] = 0.5
                for name in names:
                    value = 0.5 + effects.get(rate, {}).get(name, 0.0) + spread * luck.standard_normal()
                    record.metrics[f"test_{name}"] = value
                    record.measures[name] = METRICS[name]
                put(record)
        (comparison,) = build([store.root]).comparisons
        return comparison

    return make


def told(c: Comparison) -> Advice:
    found = advice(c, "model=mlp on mnist", Budget(20, False, 400))
    assert found is not None
    return found


def test_a_better_loss_is_told_where_accuracy_cannot_tell(made: Made) -> None:
    found = told(made({0.1: {"loss": 0.0}, 0.5: {"loss": -0.03}}))
    assert found.decision == "unknown" and found.beside is not None
    assert (found.beside.arm, found.beside.measure) == ("standard 0.5", "test_loss")
    assert found.beside.low < found.beside.mean < found.beside.high < 0
    last = found.sentences[2]
    assert "in another measure, test loss, standard 0.5 is better than no dropout by 0.0" in last
    assert "matters if you use the predicted probabilities" in last and "corrected for 2 arms)" in last


def test_the_size_and_its_limits_are_written_in_one_direction(made: Made) -> None:
    found = better_beside(made({0.5: {"loss": -0.03}}))
    numbers = re.search(r"by ([\d.]+) nats \(\S+ % interval ([\d.]+) to ([\d.]+)", found.says if found else "")
    assert numbers is not None
    size, low, high = map(float, numbers.groups())
    assert 0 < low < size < high


def test_one_that_may_be_too_small_to_matter_says_so(made: Made) -> None:
    """The interval excludes no difference, but not one within the region of equivalence."""
    found = better_beside(made({0.5: {"loss": -0.010}}))
    assert found is not None and "though perhaps by too little to matter (up to 0.01 nats)" in found.says


@pytest.mark.parametrize("effect", [0.0, -0.003, 0.03])
def test_none_that_is_small_or_worse_or_by_chance(made: Made, effect: float) -> None:
    assert better_beside(made({0.5: {"loss": effect}}, spread=0.002)) is None


def test_of_an_arm_to_use_what_it_loses_is_told(made: Made) -> None:
    found = told(made({0.5: {"loss": 0.03}}, better=0.1))
    assert found.decision == "use"
    assert found.beside is not None and "standard 0.5 is worse than no dropout by" in found.sentences[2]
    assert worse_beside(made({0.5: {"loss": 0.03}}), "standard 0.5") is not None


def test_each_of_several_measures_is_judged_at_its_part_of_the_error_rate(made: Made) -> None:
    c = made({0.1: {"loss": -0.03, "ece": 0.0, "balanced_accuracy": 0.0}, 0.5: {}})
    measures = further(c)
    assert {m.metric for m in measures} == {"loss", "ece", "balanced_accuracy"}
    found = better_beside(c)
    assert found is not None and found.level == pytest.approx(1 - 0.05 / 3)
    assert "corrected for 2 arms and 3 further measures" in found.says
    loss = next(m for m in measures if m.metric == "loss")
    alone = judged([Minus(a, "none", loss) for a in c.others], c.scores, c.region(loss), alpha=0.05 / 3)
    interval = next(k.difference for k in alone if k.expression.arm == found.arm)  # type: ignore[attr-defined]
    assert (found.low, found.high) == pytest.approx((interval.low, interval.high))
    assert found.low < c.against(loss)[found.arm].difference.low  # the report's own interval is of one measure


def test_without_differences_hardly_ever_one_is_told(fake: Any, tmp_path: Any) -> None:
    """Of 60 comparisons of two arms on three further measures without any difference, 5 % are 3; 9 or more have p = .002."""
    wrong = 0
    for study in range(60):
        luck, store = np.random.default_rng(study), Store(tmp_path / str(study))
        for seed in range(8):
            for rate in (0.0, 0.1, 0.5):
                changes = {"dropout": "standard", "dropout.rate": rate} if rate else {}
                record = fake(seed, changes=changes, test=0.8 + 0.02 * luck.standard_normal())
                for name, declared in METRICS.items():
                    record.metrics[f"test_{name}"] = 0.5 + 0.1 * luck.standard_normal()
                    record.measures[name] = declared
                store.write(record, [], "")
        (c,) = build([store.root]).comparisons
        found = better_beside(c) is not None or any(worse_beside(c, arm) is not None for arm in c.others)
        wrong += found
    assert wrong < 9


def test_the_square_of_the_verdicts_measure_is_no_further_one(fake: Any, put: Any, store: Store) -> None:
    for seed in range(8):
        for rate in (0.0, 0.5):
            changes = {"dropout": "standard", "dropout.rate": rate} if rate else {}
            record = fake(seed, changes=changes, task="regress")
            record.metrics.clear()
            record.metrics.update({"test_rmse": 2.0 + seed + rate, "test_loss": (2.0 + seed + rate) ** 2})
            record.measures.clear()
            record.measures.update(dict.fromkeys(("rmse", "loss"), Declaration("lower")))
            put(record)
    (c,) = build([store.root]).comparisons
    assert str(c.measure) == "test_rmse" and further(c) == []

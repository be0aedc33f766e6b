"""What each regularizer of an arm is worth to it: sorted, paired with the arm that has them all, in table and picture."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from dropbench import report
from dropbench.report.output.figures import draw
from dropbench.store import Course, Rule, Store, StoredStage

SEEDS = range(8)
WORTH = {"mixup": 0.01, "dropout": 0.05, "swa": -0.02}
"""By how much the cocktail is better than without it."""
NAME = "What each regularizer contributes to cocktail"


def noise(seed: int, arm: int) -> float:
    return float(np.random.default_rng([seed, arm]).normal(0, 0.002))


@pytest.fixture
def searched(fake: Any, put: Any, store: Any, fake_plan: Any) -> Path:
    scores = {"plain": 0.7, "cocktail": 0.8, **{f"cocktail without {name}": 0.8 - w for name, w in WORTH.items()}}
    arms = {
        name: [
            fake(s, changes={"train.lr": 0.1 + i}, test=score + 0.01 * s + noise(s, i), val=0.8)
            for s in SEEDS
        ]
        for i, (name, score) in enumerate(scores.items())
    }  # fmt: skip
    put(*(r for records in arms.values() for r in records))
    runs = [r.run_id for records in arms.values() for r in records]
    contrasts = {"plain in cocktail": "arm('plain').test_accuracy - arm('cocktail').test_accuracy"}
    contrasts |= {
        f"{name} in cocktail": f"arm('cocktail').test_accuracy - arm('cocktail without {name}').test_accuracy"
        for name in WORTH
    }
    course = Course(
        rule=Rule(search={"leave_out": ["cocktail"]}), stages=[StoredStage(name="comparison", runs=runs)], ended=True
    )
    of = {name: [r.run_id for r in records] for name, records in arms.items()}
    plan = fake_plan(arms, study="s", baseline="plain", tables={"t": of}, contrasts=contrasts, course=course, runs=runs)
    store.write_plan(plan)
    return Path(store.root)


def test_what_is_missed_the_most_comes_first_with_the_difference_by_seed(searched: Path) -> None:
    (comparison,) = report.build([searched], ["study=s"]).comparisons
    own, *parts = comparison.answers
    assert (own.name.partition(":")[0], own.part_of) == ("plain in cocktail", "")  # the study's own keeps its place
    assert [a.name for a in parts] == ["dropout in cocktail", "mixup in cocktail", "swa in cocktail"]
    arms = ["plain", "cocktail", *(f"cocktail without {name}" for name in WORTH)]
    for answer in parts:
        name = answer.name.removesuffix(" in cocktail")
        other = arms.index(f"cocktail without {name}")
        by_seed = [WORTH[name] + noise(s, 1) - noise(s, other) for s in SEEDS]
        assert answer.contrast.difference.mean == pytest.approx(np.mean(by_seed))
        assert answer.contrast.difference.pairs == len(SEEDS)
        assert answer.contrast.difference.low < np.mean(by_seed) < answer.contrast.difference.high
    text = " ".join(report.render(report.build([searched], ["study=s"]), "markdown").split())
    assert NAME in text and text.index("| dropout in cocktail") < text.index("| swa in cocktail")


def test_of_a_loss_the_largest_rise_comes_first(searched: Path) -> None:
    """Lower is better, and the fake loss falls as accuracy rises."""
    store = Store(searched)
    (plan,) = store.plans()
    changed = {k: v.replace("accuracy", "loss") for k, v in plan.contrasts.items()}
    store.write_plan(replace(plan, contrasts=changed))
    (comparison,) = report.build([searched], ["study=s"], metric="loss").comparisons
    assert [a.name for a in comparison.answers[1:]] == ["dropout in cocktail", "mixup in cocktail", "swa in cocktail"]


def test_the_picture_has_a_row_each_in_that_order_and_its_numbers(searched: Path) -> None:
    made = report.build([searched], ["study=s"])
    picture = {p.name: p for p in draw(made)[0]}["parts-cocktail"]
    axes = picture.figure.axes[0]
    assert [t.get_text() for t in axes.get_yticklabels()] == ["dropout", "mixup", "swa"]
    drawn = [line.get_xdata() for line in axes.lines if len(line.get_xdata()) == 2 and line.get_linewidth() == 2]
    wanted = [a.contrast.difference for a in made.comparisons[0].answers if a.part_of]
    np.testing.assert_allclose(drawn, [[100 * d.low, 100 * d.high] for d in wanted])
    assert "cocktail without each" in picture.alt
    # Nothing below the axis is cut off.
    lines = axes.get_xlabel().splitlines()
    assert max(map(len, lines)) <= 90


def test_contrasts_of_a_study_that_leaves_nothing_out_stay_as_they_are(searched: Path) -> None:
    store = Store(searched)
    (plan,) = store.plans()
    store.write_plan(replace(plan, course=None))
    made = report.build([searched], ["study=s"])
    (comparison,) = made.comparisons
    assert [a.name.partition(" in ")[0] for a in comparison.answers] == ["plain", *WORTH]
    assert not any(p.name.startswith("parts") for p in draw(made)[0])
    assert NAME not in report.render(made, "markdown")

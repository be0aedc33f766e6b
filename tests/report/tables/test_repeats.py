"""Chosen arms under fresh seeds have a table of their own, which the comparison that chose them knows of."""

from __future__ import annotations

import random
import re
from pathlib import Path
from typing import Any

import pytest
from terminal import dropbench

from dropbench import report
from dropbench.report import Questions
from dropbench.report.output.page.matrix import overall
from dropbench.report.tables.finding import finding
from dropbench.report.tables.repeats import under_fresh_seeds
from dropbench.store import Course, Rule, StoredStage

RATES = (0.1, 0.3, 0.5)
CHOSEN = "standard 0.5"
OLD, FRESH = range(10), range(1000, 1010)


@pytest.fixture
def folder(fake: Any, fake_plan: Any, put: Any, store: Any) -> Any:
    """Stores a sweep over rates, of which 0.5 is the best on validation data, and that rate again under fresh seeds.

    gain: what it adds to the test score under the old seeds and under the fresh ones.
    """

    def runs(rate: float, seeds: range, gain: float) -> list[Any]:
        luck = random.Random(seeds.start)
        changes = {"dropout": "standard" if rate else "none", "dropout.rate": rate}
        return [
            fake(
                s,
                changes=changes,
                val=0.8 + rate / 10,
                test=0.8 + luck.gauss(0, 0.01) + gain + random.Random(f"{s} {rate}").gauss(0, 0.005),
            )
            for s in seeds
        ]

    def make(old: float, new: float, seeds: range = FRESH) -> None:
        arms = {str(rate): runs(rate, OLD, old * (rate == 0.5)) for rate in (0.0, *RATES)}
        again = {"none": runs(0.0, seeds, 0.0), CHOSEN: runs(0.5, seeds, new)}
        chose = [r.run_id for records in arms.values() for r in records]
        trained = {name: [r.run_id for r in records] for name, records in again.items()}
        everyone = [run for of_arm in trained.values() for run in of_arm]
        put(*(r for records in (*arms.values(), *again.values()) for r in records))
        store.write_plan(fake_plan(arms, study=None, question="", plan_id="a" * 12))
        course = Course(rule=Rule(confirms=chose), stages=[StoredStage(name="comparison", runs=everyone)], ended=True)
        table = {again["none"][0].setting_id: trained}
        store.write_plan(
            fake_plan(again, study=None, question="", plan_id=f"{seeds.start:012x}", tables=table, course=course)
        )

    return make


def test_seeds_that_chose_and_fresh_ones_are_never_averaged(folder: Any, store: Any) -> None:
    folder(0.05, 0.0)
    first, again = report.build([store.root]).comparisons
    assert (first.fresh, again.fresh) == (False, True)
    assert set(first.runs["seed"]) == set(OLD) and set(again.runs["seed"]) == set(FRESH)
    assert first.labels == ["none", *(f"standard {rate}" for rate in RATES)] and again.labels == ["none", CHOSEN]
    assert again.title == f"{first.title}, fresh seeds 1000-1009"
    assert not again.choices, "fresh seeds that choose are not fresh any longer"
    for c, seeds in ((first, OLD), (again, FRESH)):
        by_hand = (
            c.runs_of(CHOSEN).set_index("seed")["test_accuracy"] - c.runs_of("none").set_index("seed")["test_accuracy"]
        )
        assert c.verdicts[CHOSEN].difference.mean == pytest.approx(by_hand.mean()) and len(by_hand) == len(seeds)


def test_the_answer_is_that_of_the_fresh_seeds(folder: Any, store: Any) -> None:
    folder(0.05, 0.0)
    first, again = report.build([store.root]).comparisons
    assert first.verdicts[CHOSEN].verdict == "better" and not again.verdicts[CHOSEN].confirmed
    assert under_fresh_seeds(first)[CHOSEN] is again.verdicts[CHOSEN]
    told = finding(first)
    assert told.heading.startswith(f"{CHOSEN} does better than no dropout; under fresh seeds {CHOSEN} ")
    sure = next(f for f in told.facts if f.name == "How sure")
    assert sure.value != "confirmed" and "fresh seeds" in sure.detail
    assert "under fresh seeds" in next(f for f in told.facts if f.name == "Best").detail
    (rule,) = (d for d in first.diagnosis or () if CHOSEN in d.arms)
    assert rule.rule == "fresh seeds" and rule.advice.startswith("keep no dropout") and not rule.steps


@pytest.mark.parametrize(
    ("gain", "says"), [(0.0, ", but not under fresh seeds"), (0.05, ", under fresh seeds too in 1 of 1 asked again")]
)
def test_the_heading_over_all_comparisons_says_what_fresh_seeds_said(
    folder: Any, store: Any, gain: float, says: str
) -> None:
    folder(0.05, gain)
    assert overall(report.build([store.root]).comparisons).endswith(f"an arm does better than its baseline{says}")


def test_what_fresh_seeds_settle_is_not_asked_again(folder: Any, store: Any) -> None:
    folder(0.05, 0.05)
    found = report.build([store.root])
    text = report.render(found, "markdown", 80)
    assert "--confirm" not in text and "Next: keep standard 0.5." in text
    assert found.comparisons[1].diagnosis is None and not found.comparisons[1].further  # said once, above
    page = report.render(found, "html", 80)
    heading = re.search(r"<h1[^>]*>(.*?)</h1>", page, re.DOTALL)
    assert heading and "under fresh seeds standard 0.5 does better" in heading[1] and "comparisons" not in heading[1]


def test_of_two_repeats_the_newest_counts(folder: Any, store: Any) -> None:
    folder(0.05, -0.05)
    folder(0.05, 0.05, range(2000, 2010))
    first, again = report.build([store.root]).comparisons
    assert set(again.runs["seed"]) == {*FRESH, *range(2000, 2010)}
    assert under_fresh_seeds(first)[CHOSEN].difference.n == 20


def test_only_the_repeat_is_left_and_it_is_the_comparison(folder: Any, store: Any) -> None:
    folder(0.05, 0.05)
    (only,) = report.build([store.root], [f"seed={','.join(map(str, FRESH))}"]).comparisons
    assert only.fresh and [d.rule for d in only.diagnosis or ()] == ["fresh seeds"]


def test_questions_about_all_arms_leave_the_repeat_out_and_say_so(folder: Any, store: Any) -> None:
    folder(0.05, 0.05)
    note = "Left out: 20 runs of `dropbench report --confirm`, under seeds 1000-1009"
    asked = report.asked([store.root], [], Questions.typed(trends=["dropout.rate"]), "none")
    assert any(n.startswith(note) for n in asked.notes)
    grid = report.pivot([store.root], rows="dropout.rate")
    assert any(n.startswith(note) for n in grid.notes)
    alone = report.pivot([store.root], ["seed=1000,1001,1002"], rows="dropout.rate")
    assert not any(n.startswith("Left out") for n in alone.notes) and alone.grids


TINY = ("data=wine", "model.widths=[8]", "train.epochs=1", "train.lr=0.1", "execute.workers=1")


def test_variants_without_several_rates_are_confirmed_by_the_best_of_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert dropbench(capsys, "sweep", *TINY, "dropout=none,standard,gaussian", "seed=0,1", "--quiet").code == 0
    (first,) = report.build([Path("results")]).comparisons
    means = {label: first.done(label)["val_accuracy"].mean() for label in first.labels}
    best = max(means, key=lambda label: means[label])
    dry = dropbench(capsys, "report", "--confirm", "--dry-run")
    said = dropbench(capsys, "report", "--confirm")
    if best == "none":
        assert dry.code == said.code == 2 and "none is best on validation data" in said.err
    else:
        assert dry.code == 0 and "4 runs" in dry.out + dry.err and said.code == 0
        first, again = report.build([Path("results")]).comparisons
        assert again.labels == ["none", best] and again.fresh


def test_a_dry_run_belongs_to_confirm(capsys: pytest.CaptureFixture[str]) -> None:
    said = dropbench(capsys, "report", "--dry-run")
    assert said.code == 2 and "add --confirm" in said.err

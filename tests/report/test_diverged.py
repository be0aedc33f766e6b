"""Runs that diverged count in what a report says, and where nothing else is there it says that first."""

from __future__ import annotations

import json
from typing import Any

import pytest

from dropbench import report
from dropbench.values import UNDEFINED

ON = {"dropout": "standard", "dropout.rate": 0.5}
HIGH = {"dropout": "standard", "dropout.rate": 0.9}
FORMATS = ("rich", "markdown", "latex", "html", "json")


def stored(put: Any, fake: Any, status: dict[str, Any], seeds: int = 8) -> None:
    """Three arms; the seeds of each that diverged."""
    for name, changes in (("none", {}), ("on", ON), ("high", HIGH)):
        for s in range(seeds):
            bad = s in status.get(name, ())
            plus = {"none": 0.0, "on": 0.02, "high": 0.03}[name] + s / 10_000
            put(
                fake(
                    s,
                    changes=changes,
                    status="diverged" if bad else "completed",
                    reason="the loss was not finite in epoch 3" if bad else None,
                    val=0.8 + plus,
                    test=0.8 + plus,
                )
            )


def test_an_arm_that_diverges_in_most_seeds_is_worse_and_never_chosen(put: Any, fake: Any, store: Any) -> None:
    stored(put, fake, {"high": range(7)})
    built = report.build([store.root])
    (comparison,) = built.comparisons
    rows = comparison.table.set_index("arm")
    assert rows["verdict"].tolist() == ["", "better", "worse"]
    assert rows.loc["standard 0.9", "pairs"] == 8 and rows.loc["standard 0.9", "n"] == 1
    assert rows.loc["standard 0.9", "p"] == pytest.approx(2 * 3 / 2**8, abs=0.02)
    assert rows.loc["standard 0.9", "test_accuracy_diff_mean"] == pytest.approx(
        0.03 + 0.0, abs=1e-3
    )  # of the one that finished
    (choice,) = comparison.choices
    assert (choice.chosen, choice.unsafe) == ("standard 0.5", ("standard 0.9",))  # by its mean it would be the other
    notes = " ".join(comparison.notes)
    assert "Such a seed counts as worse than every other" in notes and "(standard 0.9, 1 of 8)" in notes
    assert "Not considered in the choice, since more of their seeds diverged: standard 0.9." in notes
    assert built.headlines == ()
    assert "standard 0.9 is worse by rank (7 diverged in it alone, 8 paired seeds" in report.render(built, "html")


def test_every_run_diverged(put: Any, fake: Any, store: Any) -> None:
    stored(put, fake, dict.fromkeys(("none", "on", "high"), range(8)))
    built = report.build([store.root])
    assert built.headlines == (
        "mlp on mnist, n_train=1000: every run diverged (24 runs). There is nothing to compare; lower train.lr, or clip "
        "the gradient: train.grad_clip=1.",
    )
    for fmt in FORMATS:
        text = " ".join(report.render(built, fmt, 80).split())
        assert "every run diverged (24 runs)" in text, fmt
    assert report.render(built, "rich", 80).startswith("mlp on mnist, n_train=1000: every run diverged")
    assert json.loads(report.render(built, "json"))["headlines"] == list(built.headlines)


def test_every_run_of_the_baseline_diverged(put: Any, fake: Any, store: Any) -> None:
    stored(put, fake, {"none": range(8)})
    (said,) = report.build([store.root]).headlines
    assert "every run of the baseline, none, diverged (8 runs). An arm that does better only shows" in said
    assert report.build([store.root]).comparisons[0].table["verdict"].tolist() == ["", "better", "better"]


def test_one_that_completed_is_no_headline_and_failures_are_none_by_themselves(put: Any, fake: Any, store: Any) -> None:
    stored(put, fake, {"none": range(7), "on": range(7), "high": range(7)})
    assert report.build([store.root]).headlines == ()
    for seed in range(3):
        put(fake(seed, changes={"model": "cnn"}, status="failed"))
    assert report.build([store.root]).headlines == ()
    put(fake(4, changes={"model": "cnn"}, status="diverged"))
    assert "every run diverged (1) or failed (3)" in report.build([store.root]).headlines[0]


def test_what_diverged_is_said_first_and_no_gap_beside_it(fake: Any, put: Any, store: Any) -> None:
    """At such a learning rate the baseline may have learned nothing, and a gap of nothing then says nothing."""
    for seed in range(8):
        guessed = {"train": 0.1 + seed / 10_000, "val": 0.1 + seed / 10_000, "test": 0.1}
        lost = {"status": "diverged", "metrics": {}} if seed < 5 else guessed
        put(fake(seed, **guessed), fake(seed, changes={"dropout": "standard", "dropout.rate": 0.5}, **lost))
    (comparison,) = report.build([store.root]).comparisons
    rules = [d.rule for d in comparison.diagnosis or ()]
    assert rules[0] == "unstable" and "no overfitting to fix" not in rules


def test_a_score_without_a_value_is_no_reason_to_train_more_gently(put: Any, fake: Any, store: Any) -> None:
    why = f"val_r2, by which its epoch is chosen, {UNDEFINED}"
    for seed in range(6):
        for changes in ({}, ON):
            put(fake(seed, changes=changes, status="diverged", reason=why))
    built = report.build([store.root])
    assert built.headlines[0].endswith(
        "There is nothing to compare; choose another score for the epoch, such as train.monitor=val_loss, or another split."
    )


@pytest.mark.parametrize(
    ("why", "unstable"), [(f"val_r2, by which its epoch is chosen, {UNDEFINED}", False), ("", True)]
)
def test_runs_that_such_a_score_stopped_are_not_called_unstable(
    why: str, unstable: bool, put: Any, fake: Any, store: Any
) -> None:
    for seed in range(8):
        for changes in ({}, ON):
            bad = seed < 4
            status = {"status": "diverged", "reason": why or "the loss was not finite in epoch 3"} if bad else {}
            put(fake(seed, changes=changes, test=0.8 + seed / 1000, **status))
    (comparison,) = report.build([store.root]).comparisons
    assert ("unstable" in {d.rule for d in comparison.diagnosis or ()}) is unstable

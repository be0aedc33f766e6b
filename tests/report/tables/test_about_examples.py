"""Which examples an answer is about: said in one line, in JSON, and chosen by --about."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from dropbench import report
from dropbench.errors import UsageError
from dropbench.report.tables import population
from dropbench.report.tables.asked import Questions
from dropbench.report.tables.comparison import Comparison
from dropbench.store import Store
from dropbench.store.predictions import Predictions, dumped
from dropbench.store.record import PREDICTIONS

RATES = (0.0, 0.2, 0.5)
Trained = Callable[..., None]


@pytest.fixture
def trained(store: Store, fake: Any) -> Trained:
    """Stores eight seeds of three arms, that each test 40 of 200 examples; some arms may keep nothing of what they said."""

    def put(
        rates: Sequence[float] = RATES, fixed: bool = False, silent: Sequence[float] = (), fallen: Sequence[float] = ()
    ) -> None:
        hard = np.random.default_rng(0).normal(size=200)
        for seed in range(8):
            split = np.random.default_rng(0 if fixed else seed).choice(200, 40, replace=False)
            for rate in rates:
                random = np.random.default_rng([seed, round(10 * rate)])
                rows = np.sort(split)
                right = hard[rows] + 0.3 * random.normal(size=40) < 1.5 - 2 * rate
                fell = {"status": "diverged", "reason": "loss is nan"} if rate in fallen and seed == 7 else {}
                changes = {"dropout": "standard", "dropout.rate": rate} if rate else None
                record = fake(seed, changes=changes, test=float(right.mean()), **fell)
                said = {} if rate in silent or fell else {PREDICTIONS: dumped(Predictions(200, rows, right=right))}
                store.write(record, [], "", beside=said)

    return put


def compared(store: Store, **asked: Any) -> Comparison:
    return report.build([store.root], **asked).comparisons[0]


def test_answers_are_about_examples_like_those_tested(store: Store, trained: Trained) -> None:
    trained()
    wide, narrow = compared(store), compared(store, about="pool")
    assert wide.verdicts.keys() == narrow.verdicts.keys() == {"standard 0.2", "standard 0.5"}
    for label, ours in wide.verdicts.items():
        theirs = narrow.verdicts[label].difference
        factor = wide.widened(ours.expression)
        assert factor > 1 and narrow.widened(ours.expression) == 1
        assert ours.difference.mean == theirs.mean
        for ends in ("low", "high"):
            mean = theirs.mean
            assert getattr(ours.difference, ends) - mean == pytest.approx(
                factor * (getattr(theirs, ends) - mean), rel=0.2
            )


def test_one_line_says_which(store: Store, trained: Trained) -> None:
    trained()
    (line,) = [n for n in compared(store).notes if "--about pool" in n]
    assert (
        line.startswith("Intervals, p and verdicts on test accuracy hold for new examples like the 1")
        and " times as wide" in line
    )
    (line,) = [n for n in compared(store, about="pool").notes if "--about pool" in n]
    assert line.startswith("Intervals, p and verdicts on test accuracy hold for the pool of examples")


def test_of_an_arm_that_kept_nothing_it_says_why(store: Store, trained: Trained) -> None:
    trained(silent=(0.5,))
    c = compared(store)
    assert {label: c.widened(v.expression) > 1 for label, v in c.verdicts.items()} == {
        "standard 0.2": True,
        "standard 0.5": False,
    }
    (line,) = [n for n in c.notes if "not for others like them" in n]
    assert line == (
        "Intervals, p and verdicts on test accuracy hold for the tested examples, not for others like them, in standard 0.5: "
        "runs did not keep their prediction for each test example."
    )


def test_a_measure_that_is_no_mean_over_test_examples(store: Store, trained: Trained) -> None:
    trained()
    c = compared(store, metric="val_loss")
    assert {c.widened(v.expression) for v in c.verdicts.values()} == {1.0}
    assert [n for n in c.notes if "validation loss is not a mean over stored predictions" in n]


def test_a_damaged_file_is_told_and_the_report_stands(store: Store, trained: Trained) -> None:
    trained()
    for folder in (store.root / "runs").iterdir():
        (folder / PREDICTIONS).write_bytes(b"PK nothing")
    c = compared(store)
    assert c.verdicts and [
        n for n in c.notes if n.startswith("Intervals, p") and "does not hold the predictions for a test split" in n
    ]


def test_ranks_of_seeds_that_diverged_are_about_those_tested(store: Store, trained: Trained) -> None:
    trained(fallen=(0.2,))
    c = compared(store)
    assert population.about(c) == {"standard 0.2": "pool", "standard 0.5": "examples"}
    assert [n for n in c.notes if n.startswith("But p and verdict of standard 0.2 are computed from ranks")]
    assert c.verdicts["standard 0.2"].difference.widened > 1


@pytest.mark.parametrize(("rates", "confirmed"), [(RATES, True), (RATES[:2], False)])
def test_seeds_on_one_test_split_are_told_apart(
    store: Store, trained: Trained, rates: Sequence[float], confirmed: bool
) -> None:
    """Where a rate was chosen, --confirm is advised: its fresh seeds test these examples too."""
    trained(rates, fixed=True)
    (line,) = [n for n in compared(store).notes if n.startswith("All seeds test the same 40 examples")]
    assert ("and so will those of --confirm" in line) == confirmed


def test_without_anything_to_compare_nothing_is_said_of_it(store: Store, trained: Trained) -> None:
    trained(RATES[:1])
    assert not [n for n in compared(store).notes if "about" in n]


def test_of_an_arm_with_other_examples_and_no_such_score_nothing_is_said(
    store: Store, trained: Trained, fake: Any
) -> None:
    """As in a study whose arms have data of their own: the arm has no interval that could be about anything."""
    trained()
    for seed in range(8):
        scores = {f"{part}_rmse": 0.3 for part in ("train", "val", "test")}
        store.write(fake(seed, changes={"dropout": "standard", "dropout.rate": 0.7}, metrics=scores), [], "")
    c = compared(store)
    assert any(label.startswith("standard 0.7") for label in c.verdicts)
    assert not any("not for others" in note for note in c.notes)


def test_json_says_of_each_arm_which(store: Store, trained: Trained, tmp_path: Path) -> None:
    trained(silent=(0.5,))
    told = json.loads(report.render(report.build([store.root]), "json"))
    assert told["comparisons"][0]["about"] == {"standard 0.2": "examples", "standard 0.5": "pool"}
    by_arm = {row["arm"]: row["test_accuracy_diff_widened"] for row in told["rows"]}
    assert by_arm["standard 0.2"] > 1 and by_arm["standard 0.5"] == 1


def test_what_it_may_be_about(store: Store, trained: Trained) -> None:
    trained()
    with pytest.raises(UsageError, match="--about pol: there is no such population; did you mean 'pool'"):
        compared(store, about="pol")


def test_contrasts_are_about_the_same_examples(store: Store, trained: Trained) -> None:
    """A ratio less 1 has the factor of the difference, as near as a straight line is to it."""
    trained()
    arm = "arm('standard 0.5').test_accuracy"
    questions = Questions.typed([f"{arm} - none.test_accuracy", f"{arm} / none.test_accuracy - 1"])
    wide, narrow = (report.asked([store.root], [], questions, about=about).asked for about in (None, "pool"))
    assert wide is not None and narrow is not None
    difference, ratio = (answer.contrast.difference.widened for answer in wide.answers)
    assert difference > 1 and ratio == pytest.approx(difference, rel=0.1)
    assert {answer.contrast.difference.widened for answer in narrow.answers} == {1.0}
    assert [n for n in wide.notes if n.startswith("Intervals, p and verdicts hold for new examples like the 1")]
    assert [n for n in narrow.notes if n.startswith("Intervals, p and verdicts hold for the pool")]


def test_that_fresh_seeds_test_one_split_again_is_said_in_short_too(store: Store, trained: Trained) -> None:
    trained(fixed=True)
    shown = " ".join(report.render(report.build([store.root]), "rich", 100).split())
    assert "All seeds test the same 40 examples, and so will those of --confirm" in shown
    assert "Intervals and p hold for new examples like the 40 tested" in shown

"""A table's numbers against hand-worked ones; the statistics in them: test_inference.py."""

from __future__ import annotations

import math
from typing import Any

import pytest

from dropbench.report.records.frame import rows_of, to_frame
from dropbench.report.records.measures import Measures
from dropbench.report.tables.arms import Arm
from dropbench.report.tables.comparison import Comparison


def table(
    records: list[Any],
    labels: dict[str, str],
    baseline: str | None,
    measure: str | None = "test_accuracy",
    rope: str | None = None,
) -> dict[str, dict[str, Any]]:
    frame = to_frame(records)
    frame = frame.assign(label=frame["dropout"].map(labels))
    arms = tuple(Arm((), "", name, name, label) for name, label in labels.items())
    measures = Measures.of_records(records)
    about = measures.read(measure) if measure else None
    return {r["arm"]: r for r in rows_of(Comparison("", frame, arms, baseline, about, measures, rope).table)}


@pytest.mark.filterwarnings("error")
def test_a_table_by_hand(fake: Any) -> None:
    on = {"dropout": "standard"}
    records = [
        *(fake(s, train=1.0, val=v, test=t) for s, v, t in ((0, 0.90, 0.80), (1, 0.92, 0.84), (2, 0.94, 0.82))),
        *(fake(s, changes=on, train=0.9, val=0.9, test=t) for s, t in ((1, 0.86), (2, 0.88), (3, 0.99))),
        fake(0, changes=on, status="failed", reason="boom"),
        fake(4, changes=on, status="diverged", reason="nan"),
    ]
    rows = table(records, {"none": "none", "standard": "some"}, "none")
    none, some = rows["none"], rows["some"]
    assert [(r["n"], r["failed"], r["diverged"]) for r in (none, some)] == [(3, 0, 0), (3, 1, 1)]
    assert none["test_accuracy_mean"] == pytest.approx(0.82)
    assert none["test_accuracy_sd"] == pytest.approx(0.02)
    assert none["test_accuracy_median"] == pytest.approx(0.82)
    assert none["gap_accuracy_mean"] == pytest.approx(0.08)
    assert none["chosen_epoch_mean"] == 21
    # Seeds 1 and 2 are in both: +.02 and +.06, mean .04, sd .02·√2; t(.975, 1 df) = 12.7062, half width 12.7062 · .02.
    assert some["pairs"] == 2
    assert some["test_accuracy_diff_mean"] == pytest.approx(0.04)
    assert some["test_accuracy_diff_sd"] == pytest.approx(0.02 * math.sqrt(2))
    assert some["test_accuracy_diff_high"] - 0.04 == pytest.approx(0.254124, abs=1e-5)
    # Gaps: 0 against .08 and .06.
    assert some["gap_accuracy_diff_mean"] == pytest.approx(-0.07)
    assert none["pairs"] == 0
    assert math.isnan(none["test_accuracy_diff_mean"])


@pytest.mark.filterwarnings("error")
def test_one_run_an_arm_and_none_at_all(fake: Any) -> None:
    on, gone = {"dropout": "standard"}, {"dropout": "spatial"}
    records = [fake(0, test=0.8), fake(0, changes=on, test=0.9), fake(0, changes=gone, status="failed", reason="x")]
    rows = table(records, {"none": "none", "standard": "standard", "spatial": "spatial"}, "none")
    assert rows["standard"]["test_accuracy_diff_mean"] == pytest.approx(0.1)
    assert all(math.isnan(rows["standard"][f"test_accuracy_{x}"]) for x in ("sd", "diff_sd", "diff_low"))
    assert (rows["spatial"]["n"], rows["spatial"]["failed"], rows["spatial"]["pairs"]) == (0, 1, 0)
    assert math.isnan(rows["spatial"]["test_accuracy_mean"])


@pytest.mark.filterwarnings("error")
def test_an_infinite_loss_is_shown_not_warned_about(fake: Any) -> None:
    bad = fake(0, changes={"dropout": "standard"})
    bad.metrics["test_loss"] = math.inf
    records = [fake(0), fake(1), bad, fake(1, changes={"dropout": "standard"})]
    row = table(records, {"none": "none", "standard": "standard"}, "none")["standard"]
    assert row["test_loss_mean"] == math.inf
    assert math.isnan(row["test_loss_diff_low"])
    assert row["test_accuracy_mean"] == pytest.approx(0.89)


def test_no_baseline_no_differences(fake: Any) -> None:
    rows = table([fake(0)], {"none": "none"}, None)
    assert math.isnan(rows["none"]["test_accuracy_diff_mean"])


ARMS = {"none": "none", "standard": "some", "spatial": "other"}


def judged(fake: Any, shifts: dict[str, float], seeds: int = 8, rope: str | None = None) -> dict[str, dict[str, Any]]:
    """Arms whose test accuracy is the baseline's and a shift, give or take a tenth of a point."""
    records = [
        fake(s, changes={"dropout": arm}, test=0.8 + 0.01 * (s % 3) + shift + (0.001 * (s % 4 - 1.5) if shift else 0))
        for arm, shift in shifts.items()
        for s in range(seeds)
    ]
    return table(records, {arm: ARMS[arm] for arm in shifts}, "none", rope=rope)


@pytest.mark.parametrize(
    ("shift", "rope", "word"),
    [
        (0.02, None, "better"),
        (-0.02, None, "worse"),
        (0.02, "5pp", "about the same"),
        (0.001, "0.1pp", "cannot tell"),
        (0.002, None, "cannot tell"),
        (0.002, "0", "better"),
    ],
)
def test_verdicts(fake: Any, shift: float, rope: str | None, word: str) -> None:
    row = judged(fake, {"none": 0, "standard": shift}, rope=rope)["some"]
    assert row["verdict"] == word
    assert math.isnan(row["seeds_likely"]) == (word != "cannot tell") == row["confirmed"]


def test_six_seeds_are_enough_for_one_arm_and_for_two_and_five_are_not(fake: Any) -> None:
    """All six point one way, p = 2/64: the arms are judged together, and no p is multiplied by their number."""
    one = judged(fake, {"none": 0, "standard": 0.02}, seeds=6)["some"]
    assert (one["p"], one["p_adjusted"], one["verdict"]) == (2 / 64, 2 / 64, "better")
    two = judged(fake, {"none": 0, "standard": 0.02, "spatial": -0.02}, seeds=6)
    assert [(row["p_adjusted"], row["verdict"]) for row in two.values() if row["verdict"]] == [
        (2 / 64, "better"),
        (2 / 64, "worse"),
    ]
    few = judged(fake, {"none": 0, "standard": 0.02}, seeds=5)["some"]
    assert (few["verdict"], few["direction"], few["confirmed"]) == ("better, unconfirmed", "better", False)


def test_which_way_is_better_depends_on_the_measure(fake: Any) -> None:
    records = [fake(s, changes={"dropout": d}, test=0.8 + 0.001 * s + e) for s in range(8) for d, e in UP.items()]
    for r in records:
        r.metrics["test_novelty"] = r.metrics["test_loss"]
    labels = {"none": "none", "standard": "some"}
    words = {
        measure: table(records, labels, "none", measure)["some"]["verdict"]
        for measure in ("test_accuracy", "test_loss", "test_novelty")
    }
    # The fake loss is 1.6 (1 - accuracy), so it falls where accuracy rises; of novelty nobody knows which way is good.
    assert words == {"test_accuracy": "better", "test_loss": "better", "test_novelty": "lower"}


UP = {"none": 0.0, "standard": 0.05}


def test_no_seed_in_common_is_welch(fake: Any) -> None:
    on = {"dropout": "standard"}
    records = [fake(s, test=0.8 + 0.001 * s) for s in range(8)]
    records += [fake(s, changes=on, test=0.9 + 0.001 * s) for s in range(10, 18)]
    row = table(records, {"none": "none", "standard": "some"}, "none")["some"]
    assert (row["pairs"], row["test_accuracy_diff_interval"], row["verdict"]) == (0, "Welch t", "better")
    assert row["improvement"] == 1
    assert row["mde"] > 0


def test_runs_without_accuracy_are_judged_by_their_loss(fake: Any) -> None:
    records = [fake(s, changes={"dropout": d}, test=0.8 + 0.01 * (s % 3) + e) for s in range(8) for d, e in UP.items()]
    for r in records:
        for key in [k for k in r.metrics if k.endswith("accuracy")]:
            del r.metrics[key]
    row = table(records, {"none": "none", "standard": "some"}, "none", "test_loss")["some"]
    assert row["verdict"] == "better"
    assert row["rope"] == 0.01, "no share of a mean that may be near 0"
    assert not [k for k in row if "accuracy" in k]

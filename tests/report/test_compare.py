"""The statistics of a report against hand-worked numbers and scipy."""

from __future__ import annotations

import math
import warnings
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dropbench.report.compare import Difference, paired, summarise
from dropbench.report.frame import rows_of, to_frame


def test_paired_differences_by_hand() -> None:
    # 1, 2, 3: mean 2, sd 1, and t(.975, 2 df) = 4.3027 (tables), so 2 ± 4.3027/√3 = 2 ± 2.4841.
    found = paired([1.0, 2.0, 3.0])
    assert (found.pairs, found.mean, found.sd) == (3, 2.0, 1.0)
    assert (found.low, found.high) == pytest.approx((2 - 2.4841, 2 + 2.4841), abs=1e-4)


@settings(deadline=None)  # the first call loads scipy.stats
@given(st.lists(st.floats(-1, 1), min_size=2, max_size=12))
def test_the_interval_is_scipys(differences: list[float]) -> None:
    stats = pytest.importorskip("scipy.stats")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # scipy's own, where all differences are equal
        low, high = stats.ttest_rel(differences, [0.0] * len(differences)).confidence_interval(0.95)
    found = paired(differences)
    if not math.isnan(low):
        assert (found.low, found.high) == pytest.approx((low, high), rel=1e-6, abs=1e-9)


@pytest.mark.filterwarnings("error")
def test_too_little_says_too_little() -> None:
    assert paired([]).pairs == 0
    assert math.isnan(paired([]).mean)
    one = paired([0.5, math.nan])
    assert (one.pairs, one.mean, math.isnan(one.sd), math.isnan(one.low)) == (1, 0.5, True, True)
    endless = paired([math.inf, 1.0])
    assert (endless.mean, math.isnan(endless.low)) == (math.inf, True)
    assert paired([0.1, 0.1]) == Difference(2, 0.1, 0.0, 0.1, 0.1)


def table(records: list[Any], labels: dict[str, str], baseline: str | None) -> dict[str, dict[str, Any]]:
    frame = to_frame(records)
    frame = frame.assign(label=frame["dropout"].map(labels))
    return {r["arm"]: r for r in rows_of(summarise(frame, list(labels.values()), baseline))}


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

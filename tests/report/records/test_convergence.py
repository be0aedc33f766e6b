"""Measures of histories: epochs to a score and the area under a curve, by hand, and on their way through a report."""

from __future__ import annotations

import math
import re
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dropbench import report
from dropbench.errors import UsageError
from dropbench.report.records.convergence import area, asked, first_at, roughness
from dropbench.report.records.history import evaluated
from dropbench.report.records.measures import Measure, Measures
from dropbench.report.statistics.verdict import region
from dropbench.store import Measure as Declaration

curves = st.lists(st.floats(-5, 5), min_size=1, max_size=20).map(lambda scores: list(enumerate(scores, 1)))


def test_epochs_to_a_score_by_hand() -> None:
    curve = [(2, 0.5), (4, 0.8), (6, 0.7), (8, 0.9)]  # eval_every=2
    assert [first_at(curve, t, 1) for t in (0.4, 0.8, 0.85, 0.95)] == [2, 4, 8, math.inf]
    assert [first_at(curve, t, -1) for t in (0.6, 0.3)] == [2, math.inf]
    assert math.isnan(first_at([], 0.5, 1))
    assert first_at([(1, math.nan), (2, 0.9)], 0.8, 1) == 2


def test_area_by_hand() -> None:
    # Between epochs 1 and 2 a mean height of 2, between 2 and 4 one of 1: 4 over three epochs.
    assert area([(1, 3.0), (2, 1.0), (4, 1.0)]) == pytest.approx(4 / 3)
    assert area([(3, 0.7)]) == 0.7
    assert math.isnan(area([]))
    assert math.isnan(area([(1, 1.0), (2, math.nan)]))


@given(curve=curves)
def test_area_against_numpy_and_within_the_curve(curve: list[tuple[int, float]]) -> None:
    scores = [s for _, s in curve]
    assert min(scores) - 1e-9 <= area(curve) <= max(scores) + 1e-9
    if len(curve) > 1:
        assert area(curve) == pytest.approx(np.trapezoid(scores) / (len(curve) - 1), abs=1e-9)


@given(curve=curves, score=st.floats(-5, 5))
def test_an_easier_score_is_reached_no_later(curve: list[tuple[int, float]], score: float) -> None:
    assert first_at(curve, score - 1, 1) <= first_at(curve, score, 1)
    assert first_at(curve, score, 1) == first_at([(e, -s) for e, s in curve], -score, -1)


def test_what_is_asked(fake: Any) -> None:
    measures = Measures.of_records([fake(0)])
    for text, measure, score in (
        ("epochs to val_accuracy=0.9", "val_accuracy_epochs", 0.9),
        ("epochs_to_val_accuracy>=90%", "val_accuracy_epochs", 0.9),
        ("epochs-to-train_loss <= 0.05", "train_loss_epochs", 0.05),
        ("updates to val_accuracy=0.9", "val_accuracy_updates", 0.9),
        ("area under val_loss", "val_area_under_loss", None),
        ("area_under_val_accuracy", "val_area_under_accuracy", None),
    ):
        wanted = asked(text, measures)
        assert wanted is not None
        assert (str(wanted.measure), wanted.threshold) == (measure, score)
        assert wanted.measure.direction == (1 if measure == "val_area_under_accuracy" else -1)
    assert asked("loss", measures) is asked(None, measures) is asked("epoch", measures) is None


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("epochs to val_accuracy", "write 'epochs to val_accuracy=0.9'"),
        ("epochs to val_accuracy=high", "'high' is not a number"),
        ("epochs to test_accuracy=0.9", "only train_ and val_ scores are stored"),
        ("epochs to val_mystery=1", "no history has val_mystery"),
        ("updates until val_accuracy=0.9", "write 'epochs to val_accuracy=0.9', 'updates to val_accuracy=0.9', 'area"),
        ("area", "--metric area: no run here has this metric"),
        ("area under val_los", "no history has val_los; did you mean 'val_loss'"),
    ],
)
def test_mistakes(fake: Any, put: Any, store: Any, text: str, said: str) -> None:
    put(fake(0), fake(1))
    with pytest.raises(UsageError, match=said.replace("'", ".")):
        report.build([store.root], metric=text)


def test_a_score_of_which_no_run_says_which_way_is_better(fake: Any, store: Any) -> None:
    store.write(fake(0), [{"epoch": 1, "val_mystery": 1.0}], "")
    with pytest.raises(UsageError, match="not known whether higher or lower val_mystery is better"):
        report.build([store.root], metric="epochs to val_mystery=1")
    assert report.build([store.root], metric="area under val_mystery").comparisons


def stored(fake: Any, store: Any, *, lag: int, top: float = 0.95, steps: int | None = None, **changes: Any) -> None:
    """Six seeds whose validation accuracy rises to `top` over 10 epochs of `steps` updates, `lag` epochs late."""
    for seed in range(6):
        scores = [min(top, 0.5 + 0.05 * max(0, e - lag) + 0.002 * seed) for e in range(1, 11)]
        updates = {} if steps is None else {"updates": steps}
        rows = [
            {"epoch": e, **{k: e * n for k, n in updates.items()}, "val_accuracy": s, "val_loss": 1 - s}
            for e, s in enumerate(scores, 1)
        ]
        store.write(fake(seed, changes=changes), rows, "")


def test_a_report_about_epochs(fake: Any, store: Any) -> None:
    stored(fake, store, lag=0)
    stored(fake, store, lag=2, **{"dropout": "standard", "dropout.rate": 0.5})
    table = report.build([store.root], metric="epochs to val_accuracy=0.7").comparisons[0].table.set_index("arm")
    # .5 + .05 e + .002 seed: .7 at epoch 4, and at epoch 3 for no seed below 25.
    assert table["val_accuracy_epochs_mean"].tolist() == [4, 6]
    assert table.loc["standard 0.5", "val_accuracy_epochs_diff_mean"] == 2
    assert table.loc["standard 0.5", "verdict"] == "worse"
    text = report.render(report.build([store.root], metric="epochs to val_accuracy=0.7"), width=120)
    assert "first evaluated epoch with val_accuracy of 0.7 or better" in text
    assert "4.0" in text


def test_a_report_about_updates(fake: Any, store: Any) -> None:
    stored(fake, store, lag=0, steps=30)
    stored(fake, store, lag=2, steps=30, **{"dropout": "standard", "dropout.rate": 0.5})
    made = report.build([store.root], metric="updates to val_accuracy=0.7")
    table = made.comparisons[0].table.set_index("arm")
    assert table["val_accuracy_updates_mean"].tolist() == [120, 180]
    assert table.loc["standard 0.5", "verdict"] == "worse"
    text = " ".join(report.render(made, width=120).split())
    assert "updates of the weights until the end of the first evaluated epoch with val_accuracy of 0.7" in text
    assert "120.0" in text and "+60.0" in text


def test_histories_from_before_updates_were_counted(fake: Any, store: Any) -> None:
    stored(fake, store, lag=0)
    with pytest.raises(UsageError, match="did not count updates, made these runs; write 'epochs to'"):
        report.build([store.root], metric="updates to val_accuracy=0.7")
    stored(fake, store, lag=0, steps=30, **{"dropout": "standard", "dropout.rate": 0.5})
    table = report.build([store.root], metric="updates to val_accuracy=0.7").comparisons[0].table
    assert table["val_accuracy_updates_mean"].isna().tolist() == [True, False]


def test_runs_that_never_get_there_are_not_left_out(fake: Any, store: Any) -> None:
    stored(fake, store, lag=0)
    stored(fake, store, lag=0, top=0.8, **{"dropout": "standard", "dropout.rate": 0.5})
    made = report.build([store.root], metric="epochs to val_accuracy=0.9")
    table = made.comparisons[0].table.set_index("arm")
    assert table["val_accuracy_epochs_median"].tolist() == [8, math.inf]
    assert table["n"].tolist() == [6, 6]
    assert "6 runs of 12 never reached it" in "\n".join(made.notes)
    shown = report.render(made, width=200)
    assert "never 6/6" in shown and not re.search(r"\binf\b", shown)


def test_a_report_about_areas_and_a_pivot(fake: Any, store: Any) -> None:
    stored(fake, store, lag=0)
    stored(fake, store, lag=2, **{"dropout": "standard", "dropout.rate": 0.5})
    table = report.build([store.root], metric="area under val_loss").comparisons[0].table
    curves = [evaluated(store.history(r.run_id), "val_loss") for r in store.load().records]
    means = sorted(sum(area(c) for c in curves if (c[1][1] < 0.45) is early) / 6 for early in (True, False))
    assert table["val_area_under_loss_mean"].tolist() == pytest.approx(means)
    grid = report.pivot([store.root], rows="dropout.rate", metric="epochs to val_accuracy=0.7").grids[0]
    assert dict(zip(grid.table["row"], grid.table["mean"], strict=True)) == {"0": 4, "0.5": 6}


def test_a_history_that_cannot_be_read_counts_as_unknown(fake: Any, store: Any) -> None:
    stored(fake, store, lag=0)
    gone = store.history(fake(0).run_id)
    gone.write_bytes(b"\xff\xfe")
    table = report.build([store.root], metric="epochs to val_accuracy=0.7").comparisons[0].table
    assert table["val_accuracy_epochs_mean"].tolist() == [4]
    assert evaluated(gone, "val_accuracy") == []


def test_the_region_is_a_share_of_the_times_that_there_are(fake: Any, store: Any) -> None:
    stored(fake, store, lag=0)
    stored(fake, store, lag=0, top=0.8, **{"dropout": "standard", "dropout.rate": 0.5})
    made = report.build([store.root], baseline="standard 0.5", metric="epochs to val_accuracy=0.9")
    assert made.comparisons[0].verdicts["none"].region == 0, "of times that nobody took there is no share"
    assert made.comparisons[0].verdicts["none"].verdict == "better"
    usual = report.build([store.root], metric="epochs to val_accuracy=0.9").comparisons[0].verdicts["standard 0.5"]
    assert usual.region == pytest.approx(0.08)
    scores = pd.DataFrame({"val_accuracy_epochs": [4.0, math.inf, 8.0]})
    assert region(None, Measure("val", "accuracy_epochs", Declaration("lower", unit="epochs")), scores) == 0.06


def test_single_epochs_and_bends_by_hand(fake: Any) -> None:
    measures = Measures.of_records([fake(0)])
    curve = [(1, 3.0), (2, 1.0), (3, 2.0), (4, 3.0)]
    for text, measure, value in (
        ("train_loss at epoch 3", "train_loss_at_epoch_3", 2.0),
        ("grad_norm at epoch 1", "train_grad_norm_at_epoch_1", 3.0),
        ("jump of val_loss at epoch 2", "val_jump_of_loss_at_epoch_2", -2.0),
        ("roughness of val_loss", "val_roughness_of_loss", (3 + 0) / 2),
    ):
        wanted = asked(text, measures)
        assert wanted is not None and str(wanted.measure) == measure
        assert wanted.of(curve) == value
        assert math.isnan(wanted.of([]))
    for text in ("jump of val_loss at epoch 1", "train_loss at epoch 9"):
        wanted = asked(text, measures)
        assert wanted is not None and math.isnan(wanted.of(curve))


@given(curve=curves, slope=st.floats(-3, 3))
def test_roughness_does_not_see_a_straight_line(curve: list[tuple[int, float]], slope: float) -> None:
    tilted = [(e, s + slope * e) for e, s in curve]
    assert roughness(tilted) == pytest.approx(roughness(curve), abs=1e-9, nan_ok=True)
    if len(curve) > 2:
        assert roughness(curve) == pytest.approx(np.abs(np.diff([s for _, s in curve], 2)).mean(), abs=1e-9)

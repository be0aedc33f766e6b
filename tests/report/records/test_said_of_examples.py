"""Scores of single examples from what runs kept: their mean is the record's score, or nothing is said."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from dropbench.report.records.measures import Measure
from dropbench.report.records.said import Said, Untold
from dropbench.store import predictions
from dropbench.store.predictions import Predictions, dumped
from dropbench.store.record import PREDICTIONS

ROWS = np.array([2, 3, 7, 8])
LOGS = np.log(np.array([[0.7, 0.3], [0.4, 0.6], [0.9, 0.1], [0.5, 0.5]])).astype(np.float16)
CLASSES = np.array([0, 0, 0, 1])
WHOLE = Predictions(9, ROWS, np.array([True, False, True, True]), None, LOGS, CLASSES)


def on(metric: str, part: str = "test") -> Measure:
    return Measure(part, metric)


def said(folder: Path, kept: Predictions | None = WHOLE) -> Said:
    if kept is not None:
        (folder / PREDICTIONS).write_bytes(dumped(kept))
    return Said({"run": folder})


def test_right_or_wrong(tmp_path: Path) -> None:
    found = said(tmp_path).examples("run", on("accuracy"), 0.75)
    assert (found.total, found.rows.tolist(), found.values.tolist()) == (9, [2, 3, 7, 8], [1, 0, 1, 1])


@pytest.mark.parametrize(
    ("metric", "by_hand"),
    [
        ("loss", -np.log([0.7, 0.4, 0.9, 0.5])),
        ("brier", np.array([2 * 0.3**2, 2 * 0.6**2, 2 * 0.1**2, 2 * 0.5**2])),
    ],
)
def test_of_probabilities(tmp_path: Path, metric: str, by_hand: np.ndarray) -> None:
    found = said(tmp_path).examples("run", on(metric), float(by_hand.mean()))
    assert found.values == pytest.approx(by_hand, rel=2e-3)


def test_losses_as_they_were_kept(tmp_path: Path) -> None:
    kept = Predictions(4, np.arange(4), loss=np.array([1, 2, 3, 0.5], dtype=np.float16))
    assert said(tmp_path, kept).examples("run", on("loss"), 1.625).values.tolist() == [1, 2, 3, 0.5]
    with pytest.raises(Untold, match="do not hold the accuracy of each"):
        said(tmp_path, kept).examples("run", on("accuracy"), 0.5)


SPREAD = 250.0
OFF = SPREAD * np.array([1.0, -2.0, 0.5, 0.25])
NUMBERS = Predictions(9, ROWS, error=OFF, spread=SPREAD)


@pytest.mark.parametrize(("metric", "by_hand"), [("mae", np.abs(OFF)), ("loss", OFF**2)])
def test_of_numbers(tmp_path: Path, metric: str, by_hand: np.ndarray) -> None:
    found = said(tmp_path, NUMBERS).examples("run", on(metric), float(by_hand.mean()))
    assert found.values == pytest.approx(by_hand, rel=2e-3)


def test_what_each_example_adds_to_the_root_has_the_root_for_its_mean(tmp_path: Path) -> None:
    rmse = float(np.sqrt((OFF**2).mean()))
    found = said(tmp_path, NUMBERS).examples("run", on("rmse"), rmse)
    assert found.values.mean() == pytest.approx(rmse, rel=1e-6)
    without = np.array([np.sqrt((np.delete(OFF, i) ** 2).mean()) for i in range(4)])
    assert np.argsort(found.values).tolist() == np.argsort(-without).tolist()  # who adds most is missed most


def test_what_each_example_adds_to_the_root_tells_how_far_it_varies() -> None:
    """The standard error that follows is the bootstrap's: the delta method."""
    draw = np.random.default_rng(0)
    errors = draw.normal(0, 3, 400)
    adds = said_root(errors)
    again = [np.sqrt((draw.choice(errors, 400) ** 2).mean()) for _ in range(2000)]
    assert adds.std() / np.sqrt(400) == pytest.approx(np.std(again), rel=0.1)


def said_root(errors: np.ndarray) -> np.ndarray:
    from dropbench.report.records.said import _root

    found = _root(Predictions(len(errors), np.arange(len(errors)), error=errors, spread=1.0))
    assert found is not None
    return np.asarray(found)


def test_an_rmse_of_none_and_metrics_that_numbers_do_not_have(tmp_path: Path) -> None:
    exact = Predictions(9, ROWS, error=np.zeros(4), spread=1.0)
    with pytest.raises(Untold, match="do not hold the rmse of each"):
        said(tmp_path, exact).examples("run", on("rmse"), 0.0)
    with pytest.raises(Untold, match="do not hold the accuracy of each"):
        said(tmp_path, exact).examples("run", on("accuracy"), 0.5)


@pytest.mark.parametrize("score", [0.7499, 0.5, float("nan")])
def test_a_metric_of_that_name_which_is_another(tmp_path: Path, score: float) -> None:
    with pytest.raises(Untold, match="do not add up to the accuracy"):
        said(tmp_path).examples("run", on("accuracy"), score)


@pytest.mark.parametrize("measure", [on("ece"), on("accuracy", "val"), on("accuracy", "gap")], ids=str)
def test_what_is_no_mean_over_test_examples(tmp_path: Path, measure: Measure) -> None:
    with pytest.raises(Untold, match=f"{measure.spoken} is not a mean over stored predictions"):
        said(tmp_path).examples("run", measure, 0.75)


def test_what_was_not_kept_and_what_is_damaged(tmp_path: Path) -> None:
    with pytest.raises(Untold, match="did not keep their prediction"):
        said(tmp_path, None).examples("run", on("accuracy"), 0.75)
    with pytest.raises(Untold, match="did not keep their prediction"):
        said(tmp_path).examples("another", on("accuracy"), 0.75)
    with pytest.raises(Untold, match="do not hold the loss of each"):
        said(tmp_path, Predictions(9, ROWS, WHOLE.right)).examples("run", on("loss"), 0.5)
    (tmp_path / PREDICTIONS).write_bytes(b"no archive")
    with pytest.raises(Untold, match=f"{PREDICTIONS} does not hold"):
        Said({"run": tmp_path}).examples("run", on("accuracy"), 0.75)


def test_a_split_without_examples(tmp_path: Path) -> None:
    with pytest.raises(Untold):
        said(tmp_path, Predictions(9, ROWS[:0], WHOLE.right[:0])).examples("run", on("accuracy"), 0.75)  # type: ignore[index]


def test_a_file_is_read_once(tmp_path: Path) -> None:
    asked = said(tmp_path)
    asked.examples("run", on("accuracy"), 0.75)
    (tmp_path / PREDICTIONS).unlink()
    assert len(asked.examples("run", on("accuracy"), 0.75).rows) == 4
    assert predictions.read_predictions(tmp_path) is None

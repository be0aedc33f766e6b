"""How measures are named, which way they are better, and how their values are written: by what metrics declare."""

from __future__ import annotations

import math
from typing import Any

import pytest

from dropbench.errors import UsageError
from dropbench.report.records.frame import to_frame
from dropbench.report.records.measures import Measure, Measures
from dropbench.store import Measure as Declaration

ACCURACY = Declaration("higher", (0, 1), "percent", "0.2pp")


@pytest.mark.parametrize(
    ("measure", "spoken", "direction", "level", "difference", "size", "axis"),
    [
        (Measure("test", "accuracy", ACCURACY), "test accuracy", 1, "91.3", "+91.30", "91.3 points", "test accuracy, %"),
        (Measure("gap", "accuracy", ACCURACY), "gap accuracy", -1, "+91.3", "+91.30", "91.3 points", "gap accuracy, %"),
        (Measure("val", "loss", Declaration("lower")), "validation loss", -1, "0.913", "+0.913", "0.913", "validation loss"),
        (Measure("gap", "loss", Declaration("lower")), "gap loss", 1, "+0.913", "+0.913", "0.913", "gap loss"),
        (Measure("val", "x", Declaration("lower", unit="epochs")), "validation x", -1, "0.9", "+0.9", "0.913", "validation x"),
        (Measure("train", "odd_accuracy"), "train odd accuracy", 0, "0.913", "+0.913", "0.913", "train odd accuracy"),
    ],
)  # fmt: skip
def test_a_measure_by_its_declaration_and_not_by_its_name(
    measure: Measure, spoken: str, direction: int, level: str, difference: str, size: str, axis: str
) -> None:
    value = 0.913
    assert (measure.spoken, measure.direction, measure.axis) == (spoken, direction, axis)
    assert (measure.level(value), measure.difference(value), measure.size(value)) == (level, difference, size)
    assert measure.level(math.inf).endswith("inf")


def test_measures_of_runs_in_the_order_of_tables(fake: Any) -> None:
    run = fake(0)
    run.metrics["test_brier"] = 0.3
    measures = Measures.of_records([run])
    frame = to_frame([run])
    shown = [str(m) for m in measures.within(frame)]
    assert shown[:4] == ["train_accuracy", "val_accuracy", "test_accuracy", "gap_accuracy"]
    assert shown[4:] == ["train_loss", "val_loss", "test_loss", "gap_loss", "test_brier"]
    assert str(measures.resolve(frame, None)) == str(measures.resolve(frame, "accuracy")) == "test_accuracy"
    assert str(measures.resolve(frame, "gap_loss")) == "gap_loss"
    with pytest.raises(
        UsageError, match=r"mae: no run here measured it; type their sweep again, with 'metric=\[.*mae\]'"
    ):
        measures.resolve(frame, "mae")
    with pytest.raises(UsageError, match="--metric los: no run here has this metric; did you mean 'loss'"):
        measures.resolve(frame, "los")
    assert measures.read("test_brier").declared == Declaration(), "it was declared by nobody"


def test_numbers_of_a_target_in_small_units_have_their_digits() -> None:
    rmse = Measure("test", "rmse", Declaration(direction="lower", range=(0, None), region="1%"))
    assert (rmse.level(2.345e-5), rmse.difference(-1.2e-6), rmse.difference(0.0)) == ("2.35e-05", "-1.2e-06", "+0.000")
    assert rmse.level(0.0123) == "0.012"
    loss = Measure("test", "loss", Declaration(direction="lower", range=(0, None), unit="nats", region="0.01"))
    assert loss.level(2e-5) == "0.000"  # of nats nobody asks for more

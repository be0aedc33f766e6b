"""The bins of a reliability diagram: rows of numbers on their way from a probe to the record, and what they must add up to."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from specs_kit import spec_of
from training import Trained, differences, make_spec, table_of

from dropbench.config.compose import Composer
from dropbench.execute.record import record_of
from dropbench.spec import MetricSpec, RunSpec
from dropbench.store import Store, read


def spec(**settings: Any) -> RunSpec:
    made = make_spec("mlp", **{"variant": "standard", "rate": 0.5, "epochs": 3, **settings})
    asked = {
        name: MetricSpec(name=name, _target_=f"dropbench.metrics.{name}.{name}", options={"bins": 7})
        for name in ("ece", "reliability")
    }
    return made.model_copy(update={"metric": {**made.metric, **asked}})


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_the_bins_give_the_ece_of_the_metric_to_the_last_bit(precision: str) -> None:
    run = spec(precision=precision)
    found = Trained(run)[run]
    examples, confidence, right = (
        np.array(found.arrays[f"test_reliability_{n}"]) for n in ("examples", "confidence", "right")
    )
    assert abs(confidence - right).sum() / examples.sum() == found.metrics["test_ece"] > 0
    assert right.sum() / examples.sum() == pytest.approx(found.metrics["test_accuracy"], rel=1e-6)
    assert examples.sum() == found.part_sizes["test"]
    edges = np.linspace(0, 1, 8)
    held = examples > 0
    assert ((confidence >= edges[:-1] * examples) & (confidence <= edges[1:] * examples + 1e-12))[held].all()
    assert (right <= examples).all() and not confidence[~held].any()


def test_rows_are_no_metrics_and_of_the_test_split_alone() -> None:
    run = spec()
    found = Trained(run)[run]
    assert set(found.arrays) == {f"test_reliability_{n}" for n in ("examples", "confidence", "right")}
    assert not [name for name in found.metrics if "reliability" in name]
    assert all(isinstance(value, float) for value in found.metrics.values())


def test_a_run_has_the_same_rows_in_any_stack() -> None:
    runs = [spec(seed=seed, rate=rate) for seed, rate in [(3, 0.5), (0, 0.7), (3, 0.2)]]
    together = Trained(*runs)
    assert len({str(together[run].arrays) for run in runs}) == 3
    assert [differences(run, Trained(run), together) for run in runs] == [[]] * 3


def test_a_stored_record_holds_the_rows_exactly(tmp_path: Any, c: Composer) -> None:
    run = spec_of(
        c, "metric=[loss,accuracy,ece,reliability]", "data.n_train=150", "train.epochs=3"
    )  # as conf/ has them
    run = run.model_copy(update={"data_fingerprint": table_of(run).fingerprint})
    found = Trained(run)[run]
    folder = Store(tmp_path).write(record_of(found, "cpu", 1), found.history, "")
    back = read(folder)
    assert getattr(back, "arrays", None) == found.arrays
    assert getattr(back, "peak_memory_mb", 0) == found.peak_memory_mb

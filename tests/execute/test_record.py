from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from dropbench.config.compose import composer
from dropbench.engine.result import RunResult
from dropbench.execute import record
from dropbench.execute.cohort import Failure


def test_a_failure_has_a_record() -> None:
    with composer() as c:
        unbound = c.compose({"seed": "seed=7"}).spec
    with pytest.raises(ValueError, match="so it cannot be stored under its id"):
        record.record_of(Failure(unbound, "RuntimeError: no", "...", 60.0), "cpu", 1)
    spec = unbound.model_copy(update={"data_fingerprint": "0123456789ab"})
    made = record.record_of(Failure(spec, "RuntimeError: no", "...", 60.0), "cpu", 1)
    assert (made.status, made.reason, made.seed, made.metrics) == ("failed", "RuntimeError: no", 7, {})
    assert made.config == spec.as_dict() and (made.run_id, made.arm_id) == (spec.run_id, spec.arm_id)
    assert (made.setting_id, made.data_fingerprint) == (spec.setting_id, "0123456789ab")
    assert made.task == "classify" and made.products in ("mkl", "openblas", "torch")
    assert set(made.versions) == {"python", "dropbench", "torch", "numpy"} and "unknown" not in made.versions.values()
    assert 59 < (datetime.now(UTC) - datetime.fromisoformat(made.started)).total_seconds() < 90


def test_a_result_that_cannot_be_is_a_failure() -> None:
    """Stored as completed it would be skipped by every reader, and trained again by every sweep."""
    with composer() as c:
        spec = c.compose({"seed": "seed=7"}).spec.model_copy(update={"data_fingerprint": "0123456789ab"})
    row = {"train_accuracy": 0.5, "val_accuracy": 0.5, "gap_accuracy": 0.0, "test_accuracy": 1.14}
    sizes = {"train": 8, "val": 4, "test": 4}
    result = RunResult(spec, "completed", None, row, [], 1, sizes, 10, {}, "0123456789ab", 2.0, 1)
    assert record.record_of(result, "cpu", 1).reason == (
        "its result is not possible: its chosen epoch is 1 of 0"  # its history is empty
    )
    result = replace(result, history=[{"epoch": 1.0}])
    made = record.record_of(result, "cpu", 1)
    assert (made.status, made.metrics, made.seconds) == ("failed", {}, 2.0)
    assert made.reason == "its result is not possible: its test_accuracy is 1.14, and its range is 0 to 1"
    assert record.record_of(replace(result, metrics={**row, "test_accuracy": 1.0}), "cpu", 1).status == "completed"

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from dropbench.config.compose import composer
from dropbench.execute import record
from dropbench.execute.cohort import Failure


def test_a_failure_has_a_record() -> None:
    with composer() as c:
        unbound = c.compose({"seed": "seed=7"}).spec
    with pytest.raises(ValueError, match="no id to be stored under"):
        record.record_of(Failure(unbound, "RuntimeError: no", "...", 60.0), "cpu", 1)
    spec = unbound.model_copy(update={"data_fingerprint": "0123456789ab"})
    made = record.record_of(Failure(spec, "RuntimeError: no", "...", 60.0), "cpu", 1)
    assert (made.status, made.reason, made.seed, made.metrics) == ("failed", "RuntimeError: no", 7, {})
    assert made.config == spec.as_dict() and (made.run_id, made.arm_id) == (spec.run_id, spec.arm_id)
    assert (made.setting_id, made.data_fingerprint) == (spec.setting_id, "0123456789ab")
    assert made.task == "classify" and made.products in ("mkl", "openblas", "torch")
    assert set(made.versions) == {"python", "dropbench", "torch", "numpy"} and "unknown" not in made.versions.values()
    assert 59 < (datetime.now(UTC) - datetime.fromisoformat(made.started)).total_seconds() < 90

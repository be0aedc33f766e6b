"""Converts a result or failure of a run to the record that is stored."""

from __future__ import annotations

from collections.abc import Container
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from dropbench.config.parts import locate
from dropbench.execute.cohort import Failure
from dropbench.execute.environment import git_commit, versions
from dropbench.hardware.blas import products
from dropbench.hardware.device import told
from dropbench.store import Record, derived
from dropbench.store.contradictions import contradiction
from dropbench.store.record import PREDICTIONS, WEIGHTS, record_from

if TYPE_CHECKING:
    from dropbench.engine.result import RunResult


def record_of(outcome: RunResult | Failure, device: str, threads: int, beside: Container[str] = ()) -> Record:
    """Returns the record of a run that has ended; `started` is the current time minus the run's duration.

    `beside`: the names of the files that are stored with it. An impossible result, such as a metric outside its declared
    range, becomes a failure, because readers of the record would reject it.

    Raises ValueError if the run's id does not belong to the data that it was trained on.
    """
    spec = outcome.spec
    measured = _FAILED if isinstance(outcome, Failure) else _measured(outcome)
    trained_on = measured.get("data_fingerprint", spec.data_fingerprint)
    if trained_on is None or trained_on != spec.data_fingerprint:
        raise ValueError(
            f"a run of data {spec.data_fingerprint} was trained on {trained_on}, so it cannot be stored under its id"
        )
    config = spec.as_dict()
    # Without a result nobody knows whether the data have classes or numbers.
    of_model = getattr(locate(spec.model.target), "task", "classify")
    task = of_model if isinstance(outcome, Failure) else outcome.task
    declared = {name: metric.model_dump() for name, metric in spec.metric.items()}
    tree = {
        **measured,
        "run_id": spec.run_id,
        "arm_id": spec.arm_id,
        "setting_id": spec.setting_id,
        "config": config,
        "seed": spec.seed,
        "task": task,
        "measures": derived.measures(measured["metrics"], declared, task),
        "variants": derived.variants(config, measured["rates"]),
        "regularizers": derived.regularizers(config),
        "data_fingerprint": trained_on,
        "sources": spec.sources,
        "reason": None if outcome.reason is None else outcome.reason.encode(errors="backslashreplace").decode(),
        "seconds": outcome.seconds,
        "started": (datetime.now(UTC) - timedelta(seconds=outcome.seconds)).isoformat(timespec="seconds"),
        "device": told(device),
        "threads": threads,
        "products": measured.get("products") or products(device),
        "versions": versions(),
        "git_commit": git_commit(),
        "predictions": PREDICTIONS if PREDICTIONS in beside else None,
        "weights": WEIGHTS if WEIGHTS in beside else None,
    }
    record = record_from(tree)
    if not isinstance(outcome, Failure) and (wrong := contradiction(record)) is not None:
        return record_of(Failure(spec, f"its result is not possible: {wrong}", "", outcome.seconds), device, threads)
    return record


_FAILED: dict[str, Any] = {
    "status": "failed",
    "metrics": {},
    "chosen_epoch": None,
    "epochs_run": 0,
    "n": {},
    "parameters": None,
    "rates": {},
    "cohort_size": 1,
}


def _measured(result: RunResult) -> dict[str, Any]:
    return {
        "status": result.status,
        "metrics": result.metrics,
        "chosen_epoch": result.chosen_epoch,
        "epochs_run": len(result.history),
        "n": result.part_sizes,
        "parameters": result.parameters,
        "rates": result.rates,
        "data_fingerprint": result.fingerprint,
        "cohort_size": result.cohort_size,
        "learned_rates": result.learned_rates,
        "own_noise": result.own_noise,
        "test_classes": result.test_classes,
        "arrays": result.arrays,
        "peak_memory_mb": result.peak_memory_mb,
        "parent": result.parent,
        "products": result.products,
    }

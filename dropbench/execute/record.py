"""An outcome of the engine as the record that is kept of it."""

from __future__ import annotations

import platform
import subprocess
from datetime import UTC, datetime, timedelta
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dropbench.config.parts import locate
from dropbench.execute.cohort import Failure
from dropbench.hardware.blas import numpy_is_faster
from dropbench.store import Record, derived
from dropbench.store.contradictions import contradiction
from dropbench.store.record import record_from

if TYPE_CHECKING:
    from dropbench.engine.result import RunResult


def record_of(outcome: RunResult | Failure, device: str, threads: int) -> Record:
    """The record of a run that has ended; `started` is counted back from now by the time that it took.

    A result that cannot be, such as a metric beyond the range that it declares, is a failure: a reader would not believe it.
    Raises ValueError where the run's id is not that of the data it was trained on.
    """
    spec = outcome.spec
    measured = _FAILED if isinstance(outcome, Failure) else _measured(outcome)
    trained_on = measured.get("data_fingerprint", spec.data_fingerprint)
    if trained_on is None or trained_on != spec.data_fingerprint:
        raise ValueError(
            f"a run of data {spec.data_fingerprint}, trained on {trained_on}, has no id to be stored under"
        )
    config = spec.as_dict()
    declared = {name: metric.model_dump() for name, metric in spec.metric.items()}
    tree = {
        **measured,
        "run_id": spec.run_id,
        "arm_id": spec.arm_id,
        "setting_id": spec.setting_id,
        "config": config,
        "seed": spec.seed,
        "task": getattr(locate(spec.model.target), "task", "classify"),
        "measures": derived.measures(measured["metrics"], declared),
        "variants": derived.variants(config, measured["rates"]),
        "regularizers": derived.regularizers(config),
        "data_fingerprint": trained_on,
        "sources": spec.sources,
        "reason": None if outcome.reason is None else outcome.reason.encode(errors="backslashreplace").decode(),
        "seconds": outcome.seconds,
        "started": (datetime.now(UTC) - timedelta(seconds=outcome.seconds)).isoformat(timespec="seconds"),
        "device": device,
        "threads": threads,
        "products": products(device),
        "versions": versions(),
        "git_commit": git_commit(),
    }
    record = record_from(tree)
    if not isinstance(outcome, Failure) and (wrong := contradiction(record)) is not None:
        return record_of(Failure(spec, f"its result cannot be: {wrong}", "", outcome.seconds), device, threads)
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
        "arrays": result.arrays,
        "peak_memory_mb": result.peak_memory_mb,
    }


def made_with(device: str, threads: int) -> dict[str, Any]:
    """What the last bits of a run's numbers depend on beside its configuration and the processor."""
    return {
        "versions": versions(),
        "device": device.partition(":")[0],
        "threads": threads,
        "products": products(device),
    }


def products(device: str) -> str:
    """The library that multiplies matrices on this device."""
    kind = device.partition(":")[0]
    if kind != "cpu":
        return kind
    if numpy_is_faster():
        return "openblas"
    import torch

    return "mkl" if torch.backends.mkl.is_available() else "torch"


@cache
def versions() -> dict[str, str]:
    """Of Python and the packages that the numbers of a run depend on."""
    of_packages = {"python": platform.python_version()}
    for package in ("dropbench", "torch", "numpy"):
        try:
            of_packages[package] = version(package)
        except PackageNotFoundError:
            of_packages[package] = "unknown"
    return of_packages


@cache
def git_commit() -> str | None:
    """The commit of the checkout that this code is in, with `-dirty` where its files differ; None once installed."""
    package = Path(__file__).parents[1]
    if not (package.parent / ".git").exists():
        return None
    try:
        described = subprocess.run(
            ["git", "-C", str(package.parent), "describe", "--always", "--dirty", "--abbrev=12", "--exclude=*"],
            capture_output=True,
            text=True,
            timeout=10,
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return described.stdout.strip() or None

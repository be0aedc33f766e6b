"""An outcome of the engine as the record that is kept of it."""

from __future__ import annotations

import platform
import subprocess
from datetime import UTC, datetime, timedelta
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dropbench.execute.cohort import Failure
from dropbench.store import Record

if TYPE_CHECKING:
    from dropbench.engine.result import RunResult


def record_of(outcome: RunResult | Failure, device: str, threads: int) -> Record:
    """`started` is counted back from now by the time the run took."""
    spec = outcome.spec
    common: dict[str, Any] = {
        "run_id": spec.run_id,
        "arm_id": spec.arm_id,
        "config": spec.as_dict(),
        "seed": spec.seed,
        "reason": outcome.reason,
        "seconds": outcome.seconds,
        "device": device,
        "threads": threads,
        "versions": versions(),
        "git_commit": git_commit(),
        "started": (datetime.now(UTC) - timedelta(seconds=outcome.seconds)).isoformat(timespec="seconds"),
    }
    if isinstance(outcome, Failure):
        return Record(
            status="failed",
            metrics={},
            chosen_epoch=None,
            epochs_run=0,
            n={},
            parameters=None,
            rates={},
            data_fingerprint=None,
            cohort_size=1,
            **common,
        )
    return Record(
        status=outcome.status,
        metrics=outcome.metrics,
        chosen_epoch=outcome.chosen_epoch,
        epochs_run=len(outcome.history),
        n=outcome.part_sizes,
        parameters=outcome.parameters,
        rates=outcome.rates,
        data_fingerprint=outcome.fingerprint,
        cohort_size=outcome.cohort_size,
        learned_rates=outcome.learned_rates,
        arrays=outcome.arrays,
        peak_memory_mb=outcome.peak_memory_mb,
        **common,
    )


@cache
def versions() -> dict[str, str]:
    found = {"python": platform.python_version()}
    for package in ("dropbench", "torch", "numpy"):
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            found[package] = "unknown"
    return found


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

"""Runs dropbench and the peers as separate processes, imports included, and reads their results."""

from __future__ import annotations

import importlib.util
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from benchmarks.measure import scaled
from benchmarks.workloads import Run, Workload

ONE = "one loader script"
TYPICAL: Run = (0.5, 0)
"""The rate and the seed of the single run of ONE."""
_MODULES = {
    "plain": "plain",
    "joblib": "joblib_",
    "joblib bf16": "joblib_",
    "loader": "loader",
    ONE: "loader",
    "lightning": "lightning_",
    "skorch": "skorch_",
    "hydra": "hydra_",
    "jax": "jax_",
    "jax one process": "jax_",
    "jax compiled before": "jax_",
    "torch.func": "torch_func",
    "tabm": "tabm_",
}
_NEEDS = {
    "joblib": ("joblib",),
    "joblib bf16": ("joblib",),
    "lightning": ("lightning",),
    "skorch": ("skorch", "sklearn"),
    "hydra": ("hydra", "hydra_plugins.hydra_joblib_launcher"),
    "jax": ("jax", "optax"),
    "jax one process": ("jax", "optax"),
    "jax compiled before": ("jax", "optax"),
    "tabm": ("tabm",),
}
TOGETHER = ("jax", "torch.func", "tabm")
"""Prefixes of the names of peers that train many runs at once; the time of one more run is unknown for them."""
CACHED = "jax compiled before"
"""The runner with a compilation cache, in a folder beside the splits, that its warm-up has filled."""


@dataclass(frozen=True)
class Sample:
    """The measurements of a runner in one block.

    Attributes
    ----------
    seconds : float
        Wall-clock time of the whole sweep, extrapolated if only some of its runs were trained.
    marginal : float
        The seconds of one more run; nan if unknown.
    runs : int
        The number of runs that were trained.
    accuracies : dict
        The test accuracy of each run, 0..1.
    processor : float
        The processor time of all processors, in seconds, which other work on the machine changes less than `seconds`; nan if
        not all runs were trained.
    """

    seconds: float
    marginal: float
    runs: int
    accuracies: dict[Run, float]
    processor: float = float("nan")


def missing(runner: str) -> str | None:
    """Return a library that a runner needs and that is not installed, or None."""
    for name in _NEEDS.get(runner, ()):
        try:
            if importlib.util.find_spec(name) is None:
                return name
        except ModuleNotFoundError:
            return name
    return None


def run(work: Workload, runner: str, splits: Path) -> Sample:
    """Run a workload once with one runner; `splits` is a file written by `write_splits`."""
    began = _processor_seconds()
    with tempfile.TemporaryDirectory() as folder:
        if runner.startswith("dropbench"):
            sample = _dropbench(work, runner.endswith("bf16"), Path(folder))
        else:
            sample = _peer(work, runner, splits, Path(folder))
    whole = sample.runs == len(work.runs())
    return replace(sample, processor=_processor_seconds() - began if whole else float("nan"))


def _processor_seconds() -> float:
    """Return the processor time of this process's ended child processes, in seconds."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def environment() -> dict[str, str]:
    """Return the environment without variables that choose threads or kernels of OpenMP, MKL and OpenBLAS."""
    return {k: v for k, v in os.environ.items() if not k.startswith(("OMP_", "MKL_", "OPENBLAS_"))}


def execute(command: list[str]) -> float:
    """Run a command and return its seconds; raise RuntimeError with the end of its error output if it fails."""
    began = time.perf_counter()
    done = subprocess.run(command, env=environment(), stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    seconds = time.perf_counter() - began
    if done.returncode:
        raise RuntimeError(f"{' '.join(command[1:4])} failed: {done.stderr.strip()[-1500:]}")
    return seconds


def sweep(overrides: list[str], results: Path) -> list[str]:
    """Return the command of a sweep, as a user would type it."""
    return [sys.executable, "-m", "dropbench", "sweep", *overrides, "--quiet", f"results={results}"]


def records(results: Path) -> list[dict[str, Any]]:
    """Return the records of all runs in a results folder."""
    return [json.loads(f.read_text(encoding="utf-8")) for f in sorted(results.glob("runs/*/record.json"))]


def _dropbench(work: Workload, bf16: bool, folder: Path) -> Sample:
    precision = ["train.precision=bf16"] if bf16 else []
    seconds = execute(sweep([*work.overrides(), *work.grid(), *precision], folder))
    accuracies: dict[Run, float] = {}
    for record in records(folder):
        accuracies[(record["config"]["dropout"]["rate"], record["seed"])] = record["metrics"]["test_accuracy"]
    if len(accuracies) != len(work.runs()):
        raise RuntimeError(f"dropbench left {len(accuracies)} records of {len(work.runs())} runs")
    return Sample(seconds, float("nan"), len(accuracies), accuracies)


def _peer(work: Workload, runner: str, splits: Path, folder: Path) -> Sample:
    runs = [TYPICAL] if runner == ONE else work.runs(None if runner.startswith(TOGETHER) else work.timed[runner])
    command = [sys.executable, "-m", f"benchmarks.peers.{_MODULES[runner]}"]
    if runner in ("hydra", "skorch"):
        rates, seeds = work.product(work.timed[runner])
        runs = [(rate, seed) for rate in rates for seed in seeds]
    if runner == "hydra":
        swept = [f"rate={','.join(map(str, rates))}", f"seed={','.join(map(str, seeds))}"]
        given = [f"workload={work.name}", f"epochs={work.epochs}", f"splits={splits}", f"out={folder / 'out'}"]
        launcher = ["hydra/launcher=joblib", "hydra.launcher.n_jobs=2", f"hydra.sweep.dir={folder / 'hydra'}"]
        command += ["--multirun", *launcher, *swept, *given]
    else:
        told = ["--runs", ",".join(f"{rate}:{seed}" for rate, seed in runs), "--epochs", str(work.epochs)]
        command += [work.name, *told, "--splits", str(splits), "--out", str(folder / "out")]
        command += _settings(runner, splits)
    wall = execute(command)
    ends: dict[int, list[float]] = defaultdict(list)
    accuracies: dict[Run, float] = {}
    for file in (folder / "out").glob("*.json"):
        told_of = json.loads(file.read_text(encoding="utf-8"))
        ends[told_of["process"]].append(told_of["ended"])
        accuracies[(told_of["rate"], told_of["seed"])] = told_of["accuracy"]
    if len(accuracies) != len(runs):
        raise RuntimeError(f"{runner} left {len(accuracies)} results of {len(runs)} runs")
    total = 1 if runner == ONE else len(work.runs())
    if runner.startswith(TOGETHER):
        return Sample(wall, float("nan"), len(runs), accuracies)
    seconds, marginal = scaled(wall, total, ends)
    return Sample(seconds, marginal, len(runs), accuracies)


def _settings(runner: str, splits: Path) -> list[str]:
    """Return the options that a runner's name implies."""
    settings = ["--bf16"] if runner.endswith("bf16") else []
    settings += ["--processes", "1"] if runner.endswith("one process") else []
    return settings + (["--cache", str(splits.parent / "compiled")] if runner == CACHED else [])

"""Checks of the command line on a GPU, for `benchmarks.gpu`: a sweep, its report, and a sweep that is killed and resumed."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from functools import partial
from pathlib import Path

from benchmarks.gpu_log import Log
from benchmarks.runners import environment, records

ROOT = Path(__file__).resolve().parents[1]


def command_line(log: Log) -> None:
    """Check a study from start to end, and studies whose process is killed."""
    with tempfile.TemporaryDirectory() as folder:
        log.check("a sweep", lambda: _sweep(log, Path(folder)))
        log.check("the same sweep again trains nothing", lambda: _again(log, Path(folder)))
        for style in ("markdown", "csv"):
            log.check(f"a report as {style}", partial(_reported, Path(folder), style))
    with tempfile.TemporaryDirectory() as folder:
        typed = _typed(log, "execute.cohort=2", epochs=20)
        log.check("a sweep that is killed goes on", partial(_killed, typed, Path(folder), "runs/[!.]*/record.json", 2))
    with tempfile.TemporaryDirectory() as folder:
        typed = _typed(log, "execute.checkpoint=1", epochs=60)
        log.check("and in the middle of a run", partial(_killed, typed, Path(folder), "work/*.safetensors", 1))


def _typed(log: Log, *more: str, epochs: int = 3) -> list[str]:
    size = ["data=digits", "data.n_train=300", f"train.epochs={epochs}", "seed=range(0,4)"]
    return ["sweep", "study=three_arm", *size, *more, f"device={log.device.type}", "execute.workers=1"]


def _called(*typed: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "dropbench", *typed], cwd=ROOT, env=_found(), capture_output=True, text=True, timeout=120
    )


def _found() -> dict[str, str]:
    """Return the environment with the checkout on PYTHONPATH, so that dropbench need not be installed."""
    return {**environment(), "PYTHONPATH": os.pathsep.join(filter(None, (str(ROOT), os.environ.get("PYTHONPATH"))))}


def _sweep(log: Log, folder: Path) -> tuple[bool, str]:
    began = time.perf_counter()
    done = _called(*_typed(log), "--quiet", f"results={folder}")
    found = records(folder)
    on = {record["device"] for record in found}
    told = f"exit code {done.returncode}, {len(found)} records on {on}, {time.perf_counter() - began:.1f} s"
    passed = done.returncode == 0 and len(found) == 12 and on == {log.device.type}
    return passed, told if passed else f"{told}: {done.stderr[-300:]}"


def _again(log: Log, folder: Path) -> tuple[bool, str]:
    before = _written(folder)
    began = time.perf_counter()
    done = _called(*_typed(log), "--quiet", f"results={folder}")
    return done.returncode == 0 and _written(folder) == before, (
        f"exit code {done.returncode}, {time.perf_counter() - began:.1f} s, {len(before)} records untouched"
    )


def _reported(folder: Path, style: str) -> tuple[bool, str]:
    done = _called("report", str(folder), "--format", style)
    passed = done.returncode == 0 and len(done.stdout) > 100
    return passed, f"exit code {done.returncode}, {len(done.stdout)} characters" + (
        "" if passed else done.stderr[-300:]
    )


def _killed(typed: list[str], folder: Path, awaited: str, files: int) -> tuple[bool, str]:
    """Kill a sweep once `files` files match the pattern `awaited`, run it again, and check that it resumes."""
    typed = [*typed, "--quiet", f"results={folder}"]
    process = subprocess.Popen(
        [sys.executable, "-m", "dropbench", *typed],
        cwd=ROOT,
        env=_found(),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    until = time.monotonic() + 90
    while len(list(folder.glob(awaited))) < files and process.poll() is None and time.monotonic() < until:
        time.sleep(0.02)
    process.kill()
    process.wait()
    before, saved = _written(folder), len(list(folder.glob("work/*.safetensors")))
    done = _called(*typed)
    after = _written(folder)
    kept = sum(after.get(name) == moment for name, moment in before.items())
    passed = done.returncode == 0 and len(after) == 12 and kept == len(before) < 12 and len(before) + saved > 0
    return passed, (
        f"killed with {len(before)} of 12 stored and {saved} checkpoints; then exit code {done.returncode}, "
        f"{len(after)} stored, {kept} of the first untouched{'' if passed else ': ' + done.stderr[-300:]}"
    )


def _written(folder: Path) -> dict[str, int]:
    """Return the modification time of each record, by run id."""
    return {file.parent.name: file.stat().st_mtime_ns for file in folder.glob("runs/[!.]*/record.json")}

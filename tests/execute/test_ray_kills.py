"""A command on Ray that is killed or told to stop: the same command goes on with the same bits, and nothing is left behind."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from terminal import started

pytest.importorskip("ray")
pytestmark = [pytest.mark.slow, pytest.mark.skipif(os.name != "posix", reason="signals of POSIX")]
SWEEP = ("sweep", "data=wine", "model.widths=[4]", "dropout.rate=0.0,0.3", "seed=range(0,3)", "metric=[loss]", "-q")
ON_RAY = ("train.epochs=1500", "execute=ray", "execute.workers=2", "execute.checkpoint=25", "device=cpu")


def everything(results: Path) -> dict[str, Any]:
    """What is stored of each run but for time, memory and company."""
    runs = {}
    for folder in sorted((results / "runs").iterdir()):
        record = json.loads((folder / "record.json").read_text())
        for key in ("seconds", "started", "peak_memory_mb", "cohort_size", "git_commit"):
            record.pop(key)
        rows = [line.rsplit(",", 2)[0] for line in (folder / "history.csv").read_text().splitlines()]
        runs[folder.name] = record, rows, (folder / "test.npz").read_bytes()
    return runs


def wait_for(process: subprocess.Popen[str], happened: Callable[[], bool]) -> None:
    until = time.monotonic() + 120
    while process.poll() is None and not happened():
        assert time.monotonic() < until
        time.sleep(0.02)


def checkpoints(results: Path) -> dict[str, int]:
    """When each was written."""
    return {path.name: path.stat().st_mtime_ns for path in (results / "work").glob("[!.]*.safetensors")}


def trainers(session: int) -> list[str]:
    """The workers of a session that live. Ray's own helpers end a minute after the command at most."""
    found = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):
            fields = stat.read_text().rpartition(")")[2].split()
            if int(fields[3]) == session and fields[0] != "Z":
                found.append((stat.parent / "cmdline").read_text())
    return [command for command in found if "Trainer" in command]


@pytest.mark.parametrize("group", [False, True], ids=["the command", "all of the terminal"])
def test_a_command_on_ray_that_is_killed_or_told_to_stop_goes_on(tmp_path: Path, group: bool) -> None:
    results = tmp_path / "results"
    numbers = [signal.SIGINT] if group else [signal.SIGKILL, signal.SIGTERM, signal.SIGINT]
    for number in numbers:
        before = checkpoints(results)
        process = started(tmp_path, *SWEEP, *ON_RAY)
        wait_for(process, lambda before=before: bool(checkpoints(results).keys() - before.keys()))  # type: ignore[misc]
        (os.killpg if group else os.kill)(process.pid, number)
        _, told = process.communicate(timeout=60)
        if number == signal.SIGKILL:
            assert process.returncode == -number
        else:
            assert process.returncode == 128 + number, told
            assert "Stopped: " in told and "saved there; run the same command again to continue" in told
            assert "Traceback" not in told
        until = time.monotonic() + 30
        while (left := trainers(process.pid)) and time.monotonic() < until:
            time.sleep(0.1)
        assert not left
    process = started(tmp_path, *SWEEP, *ON_RAY)
    _, told = process.communicate(timeout=200)
    assert process.returncode == 0, told
    process = started(tmp_path, *SWEEP, ON_RAY[0], "device=cpu", "results=whole", "execute.workers=1")
    _, told = process.communicate(timeout=200)
    assert process.returncode == 0, told
    assert everything(results) == everything(tmp_path / "whole")
    assert sorted(p.name for p in results.iterdir()) == ["failed", "plans", "products.json", "runs"]

"""The process of a program is left as it was, whatever a call did in it, and a call survives what a program has done."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import pytest
import torch
from hydra.core.global_hydra import GlobalHydra
from threadpoolctl import threadpool_info

import dropbench as db

ENV = {**os.environ, "PYTHONPATH": str(Path(db.__file__).parents[1])}


def _state() -> dict[str, Any]:
    return {
        "signals": [signal.getsignal(n) for n in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)],
        "threads": torch.get_num_threads(),
        "libraries": {x["filepath"]: x["num_threads"] for x in threadpool_info()},
        "python": random.getstate(),
        "torch": torch.get_rng_state().tolist(),
        "hydra": GlobalHydra.instance().hydra,
        "folder": Path.cwd(),
        "streams": (sys.stdin, sys.stdout, sys.stderr),
        "path": list(sys.path),
    }


def test_a_call_leaves_nothing_behind(swept: Any, tmp_path: Path) -> None:
    threads, before = torch.get_num_threads(), signal.signal(signal.SIGTERM, lambda number, frame: None)
    try:
        torch.set_num_threads(2)
        random.seed(3)
        state = _state()
        db.train(*swept.small, {"results": tmp_path}, quiet=True)
        assert _state() == state
        with pytest.raises(db.UsageError):
            db.train("data=nowhere")
        assert _state() == state
    finally:
        torch.set_num_threads(threads)
        signal.signal(signal.SIGTERM, before)


def test_calls_of_several_threads(swept: Any, tmp_path: Path) -> None:
    """They wait for each other, as Hydra needs it; signals, which other threads have none of, are no matter."""
    found: dict[int, str] = {}

    def one(seed: int) -> None:
        found[seed] = db.train(*swept.small, {"results": tmp_path, "seed": seed}, quiet=True).status

    threads = [threading.Thread(target=one, args=(seed,)) for seed in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(120)
    assert found == {0: "completed", 1: "completed"}


def test_a_file_that_has_changed_is_read_again(tmp_path: Path) -> None:
    file = tmp_path / "t.csv"
    rows = [f"{i % 7},{i % 5},{i % 2}" for i in range(60)]
    settings = {"data.path": file, "data.target": "y", "train.epochs": 1, "results": tmp_path / "r"}
    fingerprints = []
    for changed in ("", "9,9,1"):
        file.write_text("\n".join(["a,b,y", *rows, *[changed] * bool(changed)]) + "\n")
        fingerprints.append(db.train("data=csv", settings, quiet=True).record.data_fingerprint)
    assert fingerprints[0] != fingerprints[1]


_SCRIPT = """
import signal
import dropbench as db
before = signal.getsignal(signal.SIGINT)
print("begin", flush=True)
try:
    endless = {"train.epochs": 200000, "seed": range(2), "execute.workers": 1, "execute.checkpoint": "0.2s"}
    db.sweep("study=three_arm", "data=wine", endless)
except KeyboardInterrupt as stopped:
    print(stopped, flush=True)
print(signal.getsignal(signal.SIGINT) is before)
print("end")
"""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_what_is_stopped_is_saved(tmp_path: Path, number: int) -> None:
    """Ctrl-C is a KeyboardInterrupt once that is done; what ends a process still ends it, afterwards."""
    (tmp_path / "s.py").write_text(_SCRIPT)
    command = [sys.executable, "s.py"]
    process = subprocess.Popen(
        command, cwd=tmp_path, env=ENV, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    try:
        until = time.monotonic() + 60
        while not list(tmp_path.glob("results/work/*")) and time.monotonic() < until:
            time.sleep(0.1)  # until it trains
        process.send_signal(number)
        out, _ = process.communicate(timeout=60)
    finally:
        process.kill()
    assert list((tmp_path / "results" / "work").glob("*.safetensors"))
    if number == signal.SIGINT:
        assert "Stopped: 0 of 6 runs had finished" in out and "run the same call again to continue from there" in out
        assert out.splitlines()[-2:] == ["True", "end"] and process.returncode == 0
    else:
        assert process.returncode == -signal.SIGTERM

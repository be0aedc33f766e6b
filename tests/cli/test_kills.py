"""Commands that are killed or told to stop go on with the same bits, and leave nothing behind."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from bits import everything
from terminal import started

from dropbench.store.checkpoints import Checkpoints

pytestmark = pytest.mark.skipif(os.name != "posix", reason="signals of POSIX")
SWEEP = (
    "sweep",
    "data=wine",
    "model.widths=[4]",
    "dropout.rate=0.0,0.3",
    "seed=range(0,3)",
    "metric=[loss]",
    "--quiet",
)


def wait_for(process: subprocess.Popen[str], happened: Callable[[], bool]) -> None:
    """Until something has happened, or the process has ended, for two minutes at most."""
    until = time.monotonic() + 120
    while process.poll() is None and not happened():
        assert time.monotonic() < until
        time.sleep(0.02)


def checkpoints(results: Path) -> set[str]:
    return {path.name for path in (results / "work").glob("[!.]*.safetensors")}


def test_a_sweep_that_is_killed_and_told_to_stop_ends_with_the_same_bits(tmp_path: Path) -> None:
    sweep = (*SWEEP, "train.epochs=400", "execute.workers=2", "execute.checkpoint=20")
    for number, code in ((signal.SIGKILL, -signal.SIGKILL), (signal.SIGTERM, 143), (signal.SIGINT, 130)):
        before = checkpoints(tmp_path / "results")
        process = started(tmp_path, *sweep)
        wait_for(process, lambda before=before: bool(checkpoints(tmp_path / "results") - before))  # type: ignore[misc]
        process.send_signal(number)
        _, told = process.communicate(timeout=60)
        assert process.returncode in (code, 0) and "Traceback" not in told
        if process.returncode == code != -signal.SIGKILL:
            assert "Stopped: " in told and "run the same command again to continue" in told
        assert len(everything(tmp_path / "results")) < 6
    for results in ("results", "whole"):
        process = started(tmp_path, *sweep, f"results={results}")
        _, told = process.communicate(timeout=120)
        assert process.returncode == 0, told
    assert everything(tmp_path / "results") == everything(tmp_path / "whole")
    assert sorted(p.name for p in (tmp_path / "results").iterdir()) == ["failed", "plans", "products.json", "runs"]


def test_twenty_signals_at_once_are_no_traceback(tmp_path: Path) -> None:
    for moment in (0.0, 0.3, 2.0):
        process = started(tmp_path, *SWEEP, "train.epochs=4000")
        time.sleep(moment)
        for _ in range(20):
            process.send_signal(signal.SIGINT)
        _, told = process.communicate(timeout=60)
        # Before Python has read a line of ours, it answers by itself, and with 1 while it looks for what it is to run.
        ended = (130, -signal.SIGINT, 1) if moment == 0 else (130, -signal.SIGINT)
        assert process.returncode in ended and (moment == 0 or "Traceback" not in told), told


COUNTING = '''
from pathlib import Path

from torch import Tensor


def counted(output: Tensor, target: Tensor, *, to: str) -> Tensor:
    """Nothing, but that it writes down of how many replicas it was asked."""
    with Path(to).open("a") as file:
        file.write(f"{len(output)}\\n")
    return output.new_zeros(len(output))
'''


@pytest.mark.slow
def test_thirty_kills_cost_a_third_of_the_work_at_most(tmp_path: Path) -> None:
    """40 runs on two workers: killed 25 times at random, told to stop 5 times."""
    (tmp_path / "conf" / "metric").mkdir(parents=True)
    (tmp_path / "kills_counting.py").write_text(COUNTING)
    (tmp_path / "conf" / "metric" / "counted.yaml").write_text(
        "counted:\n  name: counted\n  _target_: kills_counting.counted\n  to: ???\n"
    )
    environment = {**os.environ, "PYTHONPATH": f"{tmp_path}:{os.environ.get('PYTHONPATH', '')}"}

    def sweep(results: str) -> subprocess.Popen[str]:
        words = [
            "dropout.rate=0.0,0.2,0.4,0.6",
            "seed=range(0,10)",
            "train.epochs=500",
            "data=digits",
            "data.n_train=600",
            "model=rnn",
            "model.hidden=16",
        ]
        words += ["metric=[loss,counted]", f"metric.counted.to={tmp_path / results}.txt", "execute.workers=2"]
        words += ["execute.checkpoint=1s", f"results={results}", "--conf", "conf", "--quiet"]
        command = [sys.executable, "-m", "dropbench", "sweep", *words]
        return subprocess.Popen(command, cwd=tmp_path, env=environment, stderr=subprocess.PIPE, text=True)

    def work(results: str) -> int:
        return sum(map(int, (tmp_path / f"{results}.txt").read_text().split()))

    whole = sweep("whole")
    assert whole.communicate(timeout=900) and whole.returncode == 0
    chance, kills = random.Random(3), [signal.SIGKILL] * 25 + [signal.SIGTERM] * 5
    chance.shuffle(kills)
    for number in kills:
        process = sweep("killed")
        before = work("killed") if (tmp_path / "killed.txt").exists() else 0
        goal = before + chance.random() * work("whole") / 15
        wait_for(process, lambda goal=goal: (tmp_path / "killed.txt").exists() and work("killed") >= goal)  # type: ignore[misc]
        if process.poll() is not None:
            break
        process.send_signal(number)
        _, told = process.communicate(timeout=60)
        assert "Traceback" not in told
    assert number is kills[-1] or process.returncode == 0
    last = sweep("killed")
    assert last.communicate(timeout=900) and last.returncode == 0
    once, again = everything(tmp_path / "whole"), everything(tmp_path / "killed")
    for record, *_ in (*once.values(), *again.values()):
        record["config"].pop("metric")  # it writes to another file
    assert len(again) == 40 and once == again
    assert sorted(p.name for p in (tmp_path / "killed").iterdir()) == ["failed", "plans", "products.json", "runs"]
    print(f"{len(kills)} kills: {work('killed') / work('whole'):.3f} times the work of none")
    assert work("killed") <= 1.3 * work("whole")


@pytest.mark.slow
def test_a_run_that_is_killed_at_nine_tenths_goes_on_from_there(tmp_path: Path) -> None:
    run = (
        "train",
        "data=wine",
        "model.widths=[8]",
        "metric=[loss]",
        "train.epochs=20000",
        "train.loggers=csv",
        "--quiet",
    )
    whole = started(tmp_path, *run, "results=whole")
    assert whole.communicate(timeout=600) and whole.returncode == 0

    def epochs() -> int:
        return max((text.read_text().count("\n") for text in (tmp_path / "killed" / "logs").rglob("*.csv")), default=0)

    process = started(tmp_path, *run, "results=killed")
    wait_for(process, lambda: epochs() >= 18_000)
    process.kill()
    process.communicate()
    (header,) = Checkpoints(tmp_path / "killed").latest().values()
    assert header.epoch >= 9_000  # half of what was done, at the least
    last = started(tmp_path, *run, "results=killed")
    assert last.communicate(timeout=600) and last.returncode == 0
    assert everything(tmp_path / "killed") == everything(tmp_path / "whole")

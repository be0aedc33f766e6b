"""Carrying out a plan: resume, failures, killed workers, and results that do not know how they were made."""

from __future__ import annotations

import gc
import json
import multiprocessing
import os
import signal
import subprocess
import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest
from terminal import dropbench, started

from dropbench.engine.build import build
from dropbench.engine.train import Training
from dropbench.errors import UsageError
from dropbench.execute.cohort import Failure
from dropbench.store import Record

# Python 3.12 warns of any fork beside threads, those of BLAS included; a worker uses torch on one thread.
pytestmark = pytest.mark.filterwarnings("ignore:.*multi-threaded.*fork:DeprecationWarning")


def told(record: Record | Any) -> dict[str, Any]:
    """A record without what may differ: when, how long, in how much memory, and with how many others."""
    may = ("seconds", "started", "cohort_size", "peak_memory_mb")
    return {k: v for k, v in asdict(record).items() if k not in may}


@pytest.mark.parametrize("study", [True, False])
def test_records_do_not_tell_how_they_were_made(carry: Any, study: bool) -> None:
    words = ["study=three_arm", "seed=range(0,4)"] if study else ["train.lr=0.01,0.1", "seed=range(0,4)"]
    ways = [(1, "auto"), (1, 1), (2, "auto"), (2, 3), (3, 1)]
    found = []
    for workers, cohort in ways:
        carried = carry(*words, workers=workers, cohort=cohort, to=f"{workers}{cohort}")
        assert carried.statuses() == {"completed": len(carried.plan.specs)}
        histories = {s.record.run_id: (s.folder / "history.csv").read_text() for s in carried.stored}
        columns = next(iter(histories.values())).splitlines()[0].split(",")
        assert columns[-2:] == ["seconds", "peak_memory_mb"]  # what it cost stands at the end
        losses = {run: [row.rsplit(",", 2)[0] for row in text.splitlines()] for run, text in histories.items()}
        found.append(({s.record.run_id: told(s.record) for s in carried.stored}, losses))
    assert all(one == found[0] for one in found)


@pytest.mark.parametrize("workers", [1, 2])
def test_nothing_is_trained_twice(carry: Any, workers: int) -> None:
    first = carry("seed=range(0,3)", workers=workers)
    assert len(first.stored) == 3
    assert carry("seed=range(0,3)", workers=workers).stored == []
    more = carry("seed=range(0,5)", workers=workers)
    assert sorted(s.record.seed for s in more.stored) == [3, 4]


@pytest.mark.parametrize("workers", [1, 2])
def test_an_interrupted_plan_goes_on_where_it_was(carry: Any, workers: int) -> None:
    begun = carry("seed=range(0,6)", workers=workers, cohort=1, take=2)
    assert multiprocessing.active_children() == []
    kept = {s.record.run_id: s.folder.stat().st_mtime_ns for s in begun.stored}
    assert len(kept) == 2
    rest = carry("seed=range(0,6)", workers=workers, cohort=1)
    assert len(rest.stored) == 4 and not kept.keys() & {s.record.run_id for s in rest.stored}
    assert kept == {run: (rest.store.root / "runs" / run).stat().st_mtime_ns for run in kept}
    whole = carry("seed=range(0,6)", to="whole")
    assert {told(r)["run_id"]: told(r) for r in rest.store.load().records} == {
        s.record.run_id: told(s.record) for s in whole.stored
    }


def test_a_killed_worker_costs_its_cohort_once(carry: Any, tmp_path: Path) -> None:
    """A worker dies once, with four runs in hand: all of them are finished in the end, and the others never notice."""
    words = ["metric=[loss,accuracy,kill]", "metric.kill.classes=2", f"metric.kill.mark={tmp_path / 'mark'}"]
    words += ["data=breast_cancer,wine", "data.n_train=50", "seed=range(0,4)"]
    carried = carry(*words, workers=2, cohort=4)
    assert carried.statuses() == {"completed": 8}
    (retry,) = carried.retries
    assert retry.reason == "the worker process died (signal 9)"
    hurt = {s.run_id for s in carried.plan.specs if s.data.name == "breast_cancer"}
    assert set(retry.run_ids) == hurt
    assert retry.how == "in two halves"  # what was killed may have needed too much memory
    assert {s.record.run_id for s in carried.stored if s.record.cohort_size == 2} == hurt


def test_what_kills_its_worker_by_itself_has_failed(carry: Any) -> None:
    words = ["metric=[loss,accuracy,kill]", "data=breast_cancer,wine", "data.n_train=50", "seed=0,1"]
    carried = carry(*words, "metric.kill.classes=2", workers=2, cohort=2)
    assert carried.statuses() == {"completed": 2, "failed": 2}
    assert carried.retries[0].how == "in two halves"
    assert {r.how for r in carried.retries[1:]} <= {"once nothing else trains"}  # as for what needs all of the memory
    for one in carried.stored:
        if one.record.status == "failed":
            assert one.record.config["data"]["name"] == "breast_cancer"
            assert one.record.reason == "the worker process died (signal 9)"
            assert one.folder.parent.name == "failed"
            assert (one.folder / "traceback.txt").read_text() == "the worker process died (signal 9)"
    # Failed is not finished: it is tried again.
    assert len(carry(*words, "metric.kill.classes=2", workers=2, cohort=2).stored) == 2


@pytest.mark.parametrize("workers", [1, 2])
def test_an_exception_in_a_cohort_is_tried_alone(carry: Any, workers: int) -> None:
    """The metric fails in stacks of more than one: each run succeeds by itself."""
    carried = carry("metric=[loss,accuracy,fail]", "metric.fail.above=1", "seed=range(0,4)", workers=workers, cohort=4)
    assert carried.statuses() == {"completed": 4}
    (retry,) = carried.retries
    assert (len(retry.run_ids), retry.reason) == (4, "RuntimeError: too many (mine/my_metric.py, line 28)")


@pytest.mark.parametrize("workers", [1, 2])
def test_a_failure_keeps_its_traceback_until_a_later_success(carry: Any, tmp_path: Path, workers: int) -> None:
    words = ["metric=[loss,accuracy,fail]", f"metric.fail.mark={tmp_path / 'mark'}", "seed=0,1"]
    carried = carry(*words, workers=workers, cohort=1)
    assert carried.statuses() == {"failed": 1, "completed": 1} or carried.statuses() == {"completed": 1, "failed": 1}
    (failed,) = [s for s in carried.stored if s.record.status == "failed"]
    assert failed.record.reason == "RuntimeError: too many (mine/my_metric.py, line 28)"
    text = (failed.folder / "traceback.txt").read_text()
    assert text.startswith("Traceback") and "my_metric.py" in text and text.rstrip().endswith("of them")
    again = carry(*words, workers=workers, cohort=1)
    assert [s.record.run_id for s in again.stored] == [failed.record.run_id]
    assert again.statuses() == {"completed": 1}
    assert not failed.folder.exists()


def test_failed_runs_on_the_command_line(mine: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["data=wine", "model.widths=[4]", "train.epochs=1", "metric=[loss,accuracy,fail]", "--conf", str(mine)]
    said = dropbench(capsys, "sweep", *words, "seed=0,1", "execute.workers=1", "-q")
    assert (said.code, said.out) == (1, "")
    assert [line.partition(" failed: ")[2].partition(";")[0] for line in said.err.splitlines()] == (
        ["RuntimeError: too many (mine/my_metric.py, line 28)"] * 2
    )
    assert "; see results/failed/" in said.err
    for as_json in ([], ["--json"]):
        said = dropbench(capsys, "train", *words, *as_json)
        assert said.code == 1
        assert said.err.startswith(
            "Error: the run failed: RuntimeError: too many (mine/my_metric.py, line 28); see results/failed/"
        )
        assert not said.out or json.loads(said.out)["status"] == "failed"


def test_results_that_cannot_be_written_are_told_before_training(carry: Any, tmp_path: Path) -> None:
    (tmp_path / "results").touch()
    with pytest.raises(UsageError, match=r"cannot write results into .*; choose another folder: results=DIR"):
        carry("seed=0")


def test_workers_end_with_a_parent_that_is_killed(tmp_path: Path) -> None:
    words = ["sweep", "data=wine", "model.widths=[4]", "train.epochs=100000", "seed=0,1", "execute.workers=2"]
    process = started(tmp_path, *words, output=subprocess.DEVNULL)
    children = Path(f"/proc/{process.pid}/task/{process.pid}/children")
    if not children.exists():
        process.kill()
        pytest.skip("needs /proc")
    end = time.monotonic() + 60
    while time.monotonic() < end and len(children.read_text().split()) < 2:
        time.sleep(0.05)
    workers = [int(pid) for pid in children.read_text().split()]
    assert len(workers) == 2
    time.sleep(0.3)
    process.send_signal(signal.SIGKILL)
    process.wait()
    end = time.monotonic() + 10
    while time.monotonic() < end and any(running(pid) for pid in workers):
        time.sleep(0.05)
    assert not any(running(pid) for pid in workers)


def running(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return " Z " not in Path(f"/proc/{pid}/stat").read_text()


@pytest.mark.parametrize("workers", [1, 2])
def test_what_was_finished_before_is_not_tried_again(carry: Any, monkeypatch: pytest.MonkeyPatch, workers: int) -> None:
    """A cohort that fails, or whose worker dies, when the first of its runs has ended."""

    def ending(specs: Any, *rest: Any) -> Training:
        def run(listen: Any, after_update: Any) -> Any:
            yield Failure(specs[0], "the first", "", 0.0)  # which is as good as a result here
            if len(specs) > 1 and workers > 1:
                os._exit(3)
            if len(specs) > 1:
                raise RuntimeError("broken")

        training = build(specs, *rest)
        monkeypatch.setattr(training, "run", run)
        return training

    monkeypatch.setattr("dropbench.engine.build.build", ending)
    carried = carry("seed=range(0,4)", workers=workers, cohort=4)
    runs = [s.run_id for s in carried.plan.specs]
    assert sorted(s.record.run_id for s in carried.stored) == sorted(runs)
    (retry,) = carried.retries
    assert list(retry.run_ids) == runs[1:]
    assert retry.reason.partition(" (/")[0] == (
        "RuntimeError: broken" if workers == 1 else "the worker process died (exit code 3)"
    )


@pytest.mark.parametrize("on", [True, False])
def test_training_collects_garbage_whatever_planning_did(carry: Any, on: bool) -> None:
    """The command line turns it off for its imports (`cli.script`); a long training would lose its memory."""
    if not on:
        gc.disable()
    try:
        assert carry("seed=0").statuses() == {"completed": 1}
        assert gc.isenabled()
        assert (gc.get_freeze_count() > 0) == (not on)
    finally:
        gc.enable()
        gc.unfreeze()

"""Memory that runs out, workers that die, runs that hang: a failed run with its reason, and never the end of the rest."""

from __future__ import annotations

import errno
import json
import os
import time
from multiprocessing import Pipe, Process
from pathlib import Path
from typing import Any

import pytest
from terminal import dropbench
from trouble import bring_trouble, trouble

from dropbench.execute import pool
from dropbench.execute.failure_policy import FailurePolicy
from dropbench.execute.local import TooManyFailed
from dropbench.hardware import exhausted

pytestmark = pytest.mark.filterwarnings("ignore:.*multi-threaded.*fork:DeprecationWarning")


def sizes(carried: Any) -> list[int]:
    return sorted(s.record.cohort_size for s in carried.stored)


@pytest.mark.parametrize(("what", "workers"), [("memory", 1), ("torch", 2)])
def test_a_cohort_that_is_out_of_memory_is_halved_until_it_fits(carry: Any, what: str, workers: int) -> None:
    carried = carry(*trouble(what, above=2), "seed=range(0,6)", workers=workers, cohort=6)
    assert carried.statuses() == {"completed": 6}
    assert [len(r.run_ids) for r in carried.retries] in ([6, 3], [6, 3, 3])  # the second half may have begun by then
    assert {r.how for r in carried.retries} == {"in two halves"}
    assert max(sizes(carried)) == 2


def test_what_fits_is_remembered_for_the_next_command(carry: Any, tmp_path: Path) -> None:
    carry(*trouble("memory", above=2), "seed=range(0,6)", cohort=6)
    (kept,) = json.loads((tmp_path / "cache/dropbench/memory_limits.json").read_text()).values()
    assert kept == 2
    again = carry(*trouble("memory", above=2), "seed=range(6,12)", cohort=6)
    assert again.retries == [] and sizes(again) == [2] * 6
    assert again.notes == ["cohorts of this shape have at most 2 runs from now on: larger ones ran out of memory here"]
    other = carry(*trouble("memory", above=100), "model.widths=[5]", "seed=range(0,6)", cohort=6)
    assert sizes(other) == [6] * 6 and other.notes == []  # another shape is another question


def test_a_run_that_is_out_of_memory_alone_has_failed(carry: Any) -> None:
    carried = carry(*trouble("memory", classes=2), "data=breast_cancer,wine", "data.n_train=50", "seed=0,1", cohort=2)
    assert carried.statuses() in ({"failed": 2, "completed": 2}, {"completed": 2, "failed": 2})
    for one in carried.stored:
        assert one.record.status == "completed" or str(one.record.reason).startswith("MemoryError: no room")


@pytest.mark.parametrize("more", [0, 1])
def test_a_killed_cohort_is_halved_and_remembered_only_where_the_kernel_did_it(
    carry: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, more: int
) -> None:
    counts = iter(range(0, 1000 * more, more) if more else [3] * 1000)
    monkeypatch.setattr(exhausted, "kills", lambda: next(counts))
    carried = carry(*trouble("kill", above=2), "seed=range(0,4)", workers=2, cohort=4)
    assert carried.statuses() == {"completed": 4} and sizes(carried) == [2] * 4
    (retry,) = carried.retries
    assert (retry.reason, retry.how) == ("the worker process died (signal 9)", "in two halves")
    assert (tmp_path / "cache/dropbench/memory_limits.json").exists() == bool(more)


@pytest.mark.parametrize("workers", [1, 2])
def test_a_users_code_that_ends_its_process_costs_its_run_alone(carry: Any, workers: int) -> None:
    """With one worker too: this very process must not be the one that ends."""
    words = [*trouble("exit", classes=2), "data=breast_cancer,wine", "data.n_train=50", "seed=0,1"]
    carried = carry(*words, workers=workers, cohort=2)
    assert sorted(s.record.status for s in carried.stored) == ["completed"] * 2 + ["failed"] * 2
    reasons = {s.record.reason for s in carried.stored if s.record.status == "failed"}
    assert reasons == {"the worker process died (exit code 7)"}


def test_all_workers_killed_is_not_the_end(carry: Any) -> None:
    carried = carry(*trouble("kill"), "seed=range(0,4)", workers=3, cohort=1)
    assert carried.statuses() == {"failed": 4}


@pytest.mark.parametrize("workers", [1, 2])
def test_a_run_that_hangs_is_given_up_after_a_time(
    carry: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, workers: int
) -> None:
    def silent_for(worker: Any) -> float:  # as the clock would tell, were this machine never busy with other things
        return 4.0 if (tmp_path / f"hanging-{worker.process.pid}").exists() else 0.0

    monkeypatch.setattr(pool._Worker, "silent_for", silent_for)
    words = [*trouble("hang", classes=2), "data=breast_cancer,wine", "data.n_train=50", "seed=0,1"]
    carried = carry(*words, "execute.timeout=3", workers=workers, cohort=2)
    assert sorted(s.record.status for s in carried.stored) == ["completed"] * 2 + ["failed"] * 2
    reasons = {s.record.reason for s in carried.stored if s.record.status == "failed"}
    assert reasons == {"no epoch ended within 3 s (execute.timeout)"}
    (retry,) = carried.retries
    assert (len(retry.run_ids), retry.how) == (2, "each alone")


def test_how_long_a_worker_has_been_silent() -> None:
    mine, theirs = Pipe()
    worker = pool._Worker(Process(), mine, None, None, time.monotonic() - 5, "cpu")  # type: ignore[arg-type]
    assert 5 <= worker.silent_for() < 1000
    theirs.send("something")
    assert worker.silent_for() == 0.0  # it waits to be read


def test_a_failed_run_is_tried_again_as_often_as_wanted(carry: Any, tmp_path: Path) -> None:
    mark = tmp_path / "mark"
    carried = carry(*trouble("raise", mark=mark), "seed=0,1", cohort=1, policy=FailurePolicy(retries=1))
    assert carried.statuses() == {"completed": 2}
    (retry,) = carried.retries
    assert retry.reason.startswith("RuntimeError: broken") and retry.how == "retry 1 of 1"
    never = carry(*trouble("raise"), "seed=2", policy=FailurePolicy(retries=2))
    assert never.statuses() == {"failed": 1} and len(never.retries) == 2


@pytest.mark.parametrize(("workers", "most"), [(1, 1), (2, 2)])
def test_failures_end_a_sweep_where_that_is_wanted(carry: Any, tmp_path: Path, workers: int, most: int) -> None:
    with pytest.raises(TooManyFailed):
        carry(*trouble("raise"), "seed=range(0,5)", cohort=1, workers=workers, policy=FailurePolicy(max_failures=most))
    assert len(list((tmp_path / "results/failed").glob("[!.]*"))) == most
    work = tmp_path / "results/work"
    assert [*work.glob("*.claim"), *work.glob("*.owner")] == []


def test_options_of_failures_on_the_command_line(mine: Path, capsys: pytest.CaptureFixture[str]) -> None:
    bring_trouble(mine)
    words = ["sweep", "data=wine", "model.widths=[4]", "train.epochs=1", "seed=range(0,4)", "--conf", str(mine)]
    words += [*trouble("raise"), "execute.workers=1", "execute.cohort=1", "-q"]
    said = dropbench(capsys, *words, "--fail-fast")
    assert said.code == 1
    assert said.err.splitlines()[-1] == (
        "Error: stopped after 1 failed run, as asked for: 3 runs are left; run the same command again to continue"
    )
    said = dropbench(capsys, *words, "--max-failures", "3")
    assert (said.code, said.err.count(" failed: RuntimeError: broken")) == (1, 3)
    mark = mine / "mark"
    said = dropbench(capsys, *words, f"metric.trouble.mark={mark}", "--retry", "1")
    assert (said.code, said.err) == (0, "")
    one = [w for w in words if w != "seed=range(0,4)" and not w.startswith(("sweep", "execute"))]
    mark.unlink()
    said = dropbench(capsys, "train", *one, "seed=9", f"metric.trouble.mark={mark}", "--retry", "1")
    assert (said.code, said.err) == (0, "")


def test_what_memory_that_ran_out_is_told_by() -> None:
    import torch

    with pytest.raises(RuntimeError) as real:  # 8 EiB, on whatever machine
        torch.empty(2**60)
    assert exhausted.ran_out(real.value)
    assert exhausted.ran_out(torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB"))
    assert exhausted.ran_out(MemoryError()) and exhausted.ran_out(OSError(errno.ENOMEM, os.strerror(errno.ENOMEM)))
    assert exhausted.ran_out(RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling cublasCreate(handle)"))
    with pytest.raises(ValueError) as told:
        try:
            raise MemoryError
        except MemoryError as error:
            raise ValueError("the model cannot be built") from error
    assert exhausted.ran_out(told.value)
    assert not exhausted.ran_out(RuntimeError("shapes cannot be multiplied")) and not exhausted.ran_out(ValueError("x"))
    assert not exhausted.ran_out(OSError(errno.ENOSPC, "No space left on device"))


def test_the_kernels_count_of_kills(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    events, whole = tmp_path / "events", tmp_path / "vmstat"
    monkeypatch.setattr(exhausted, "_COUNTERS", (events, whole))
    assert exhausted.kills() is None
    whole.write_text("nr_free_pages 12\noom_kill 4\n")
    assert exhausted.kills() == 4
    events.write_text("low 0\noom 9\noom_kill 1\noom_group_kill 0\n")
    assert exhausted.kills() == 1


def test_memory_may_run_out_before_anything_trains(carry: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """While what was saved of the runs is read."""
    from dropbench.execute import checkpoint

    apart = checkpoint.apart

    def too_many(cohort: Any, *rest: Any) -> Any:
        if len(cohort) > 2:
            raise MemoryError("no room")
        return apart(cohort, *rest)

    monkeypatch.setattr(checkpoint, "apart", too_many)
    carried = carry("seed=range(0,4)", cohort=4)
    assert carried.statuses() == {"completed": 4} and [r.how for r in carried.retries] == ["in two halves"]

"""`sweep --detach`, `runs status` and `runs stop`: a command that goes on by itself, and what any shell is told of it."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from bits import everything
from terminal import TINY, dropbench

from dropbench.process import alive
from dropbench.store import jobs

pytestmark = pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="processes as Linux tells of them")
SHORT = ("sweep", "study=three_arm", *TINY, "seed=range(0,2)", "execute.workers=1", "device=cpu")
LONG = (
    "sweep",
    "data=wine",
    "model.widths=[4]",
    "train.epochs=1200",
    "dropout.rate=0.1,0.3",
    "seed=0,1",
    "metric=[loss]",
)
LONG = (*LONG, "execute.workers=1", "execute.checkpoint=20", "device=cpu")


@pytest.fixture
def folder(bare: Path) -> Iterator[Path]:
    """Nothing that was started in it outlives the test."""
    yield bare
    for job in jobs.jobs(bare / "results"):
        for member in jobs.members(job.folder).values():
            here = alive.this()
            if member.process is None or member.process.pid == os.getpid():
                continue
            if here and member.code is None and not member.process.has_ended(here):
                os.kill(member.process.pid, signal.SIGKILL)


def typed(*words: str) -> subprocess.CompletedProcess[str]:
    """In a process of its own, as a shell has it."""
    return subprocess.run([sys.executable, "-m", "dropbench", *words], capture_output=True, text=True, timeout=120)


def status(capsys: pytest.CaptureFixture[str]) -> Any:
    said = dropbench(capsys, "runs", "status", "--json")
    assert said.code == 0, said.err
    (tree,) = json.loads(said.out)
    return tree


def until(happened: Callable[[], Any]) -> Any:
    end = time.monotonic() + 90
    while not (found := happened()):
        assert time.monotonic() < end
        time.sleep(0.1)
    return found


def saved(results: Path) -> bool:
    return any((results / "work").glob("[!.]*.safetensors"))


def test_a_detached_sweep_is_the_sweep(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    said = typed(*SHORT, "--detach")
    assert said.returncode == 0, said.stderr
    assert "job three_arm-1, process " in said.stderr and "trains 6 runs; this terminal may be closed" in said.stderr
    for words in ("dropbench runs status", "dropbench report --watch", "dropbench runs stop three_arm-1"):
        assert words in said.stderr
    (job,) = jobs.jobs(folder / "results")
    process = jobs.members(job.folder)[jobs.COMMAND].process
    assert process is not None
    here = alive.this()
    assert here is not None and (process.has_ended(here) or os.getsid(process.pid) == process.pid != os.getsid(0))
    until(lambda: jobs.members(job.folder)[jobs.COMMAND].code is not None)
    assert jobs.members(job.folder)[jobs.COMMAND].code == 0, job.log.read_text()
    assert "mlp on wine" in job.log.read_text(), "the report is in its log"
    assert dropbench(capsys, *SHORT, "results=whole").code == 0
    assert everything(folder / "results") == everything(folder / "whole")
    assert "every plan is complete" in dropbench(capsys, "runs", "status").out
    again = dropbench(capsys, *SHORT, "--detach")
    assert again.code == 0 and "nothing is left to train" in again.err and len(jobs.jobs(folder / "results")) == 1
    tree = json.loads(dropbench(capsys, *SHORT, "--detach", "--json").out)
    assert tree["job"] is None and tree["results"] == "results" and tree["plans"] == list(job.plans)


def test_a_job_of_one_shard_says_so(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    started = typed(*LONG, "--detach", "--shard", "1/2")
    assert "trains shard 1/2 of 4 runs" in started.stderr, started.stderr
    assert status(capsys)["plans"][0]["shard"] == "1/2"
    assert dropbench(capsys, "runs", "stop", "--all").code == 0


def test_a_job_is_told_of_stopped_and_gone_on_with(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    started = typed(*LONG, "--detach", "--json")
    assert json.loads(started.stdout)["job"] == "sweep-1", started.stderr
    tree = status(capsys)
    assert [(p["trained"], p["total"], p["jobs"]) for p in tree["plans"]] == [(True, 4, ["sweep-1"])]
    text = dropbench(capsys, "runs", "status").out
    assert re.search(r"of 4 runs have ended.*\n  job sweep-1 trains \(process \d+ on this machine\)", text), text
    twice = dropbench(capsys, *LONG, "--detach")
    assert twice.code == 0 and "job sweep-1 trains this already" in twice.err
    until(lambda: saved(folder / "results"))
    said = dropbench(capsys, "runs", "stop")
    assert said.code == 0 and "sweep-1 has ended; to continue: dropbench sweep" in said.err, said.err
    assert jobs.members(folder / "results" / "jobs" / "sweep-1")[jobs.COMMAND].code == 143
    assert saved(folder / "results"), "what was in training is saved"
    text = dropbench(capsys, "runs", "status").out
    assert "job sweep-1 was stopped\n  to continue: dropbench sweep data=wine" in text and "--detach" in text
    assert "no job of results is running" in dropbench(capsys, "runs", "stop").err
    assert typed(*LONG, "--detach").returncode == 0
    until(lambda: jobs.members(folder / "results" / "jobs" / "sweep-2").get(jobs.COMMAND, None) is not None)
    until(lambda: not status(capsys)["plans"])
    assert typed(*LONG, "results=whole", "--quiet").returncode == 0
    assert everything(folder / "results") == everything(folder / "whole")
    assert not (folder / "results" / "work").exists()


def test_a_job_that_is_killed_is_told_of_with_what_goes_on(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert typed(*LONG, "--detach").returncode == 0
    job = folder / "results" / "jobs" / "sweep-1"
    process = jobs.members(job)[jobs.COMMAND].process
    assert process is not None
    until(lambda: saved(folder / "results"))
    os.kill(process.pid, signal.SIGKILL)
    here = alive.this()
    until(lambda: here is not None and process.has_ended(here))
    text = dropbench(capsys, "runs", "status").out
    assert f"job sweep-1 has died (process {process.pid} on this machine is gone)" in text
    assert "results/jobs/sweep-1/log ends with: " in text and "  to continue: dropbench sweep data=wine" in text
    tree = status(capsys)
    assert [p["trained"] for p in tree["plans"]] == [False] and [j["alive"] for j in tree["jobs"]] == [False]


def pretend(job: Path, **process: str) -> None:
    """As if another process carried it out."""
    path = job / "command.json"
    tree = json.loads(path.read_text())
    tree["code"] = None
    tree["process"] |= process
    path.write_text(json.dumps(tree))


@pytest.fixture
def job(folder: Path, capsys: pytest.CaptureFixture[str]) -> Path:
    """Of a plan that is not complete; this very process carries it out."""
    assert dropbench(capsys, *SHORT, "--quiet", "--shard", "1/2").code == 0
    plan = json.loads(next((folder / "results" / "plans").iterdir()).read_text())["plan_id"]
    made = jobs.new(
        folder / "results", "sweep", command=SHORT, where=str(folder), plans=(plan,), created="2026", node="here"
    )
    jobs.begin(made.folder, jobs.COMMAND, "here")
    return made.folder


def test_another_process_with_the_number_is_not_the_job(job: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert status(capsys)["jobs"][0]["alive"]
    pretend(job, start="1")
    assert "has died" in status(capsys)["jobs"][0]["said"] and not status(capsys)["plans"][0]["trained"]


def test_a_job_of_another_machine_is_believed_by_its_claims_alone(
    job: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from dropbench.cli import status as looking
    from dropbench.store.training import Trainer

    pretend(job, node="node7")
    monkeypatch.setattr(looking, "at_work", lambda root: [])
    told = status(capsys)["jobs"][0]
    assert (
        told["alive"] is False
        and told["said"] == "is on here and has not been seen training: it still plans, or it has died"
    )
    process = jobs.members(job)[jobs.COMMAND].process
    monkeypatch.setattr(looking, "at_work", lambda root: [Trainer("t", "1", process, ())])
    told = status(capsys)
    assert told["jobs"][0]["alive"] is True and "on node7)" in told["jobs"][0]["said"] and told["plans"][0]["trained"]


def test_a_command_without_a_job_is_told_of_too(
    job: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from dropbench.store.claims import Claims

    plan = json.loads(next((job.parents[1] / "plans").iterdir()).read_text())
    missing = [run for run in plan["runs"] if not (job.parents[1] / "runs" / run).exists()]
    pretend(job, start="1")
    with Claims(job.parents[1], beats=False) as claims:
        claims.take(missing[:2])
        said = dropbench(capsys, "runs", "status").out
        assert f"  2 runs in training by process {os.getpid()} on this machine" in said and "to continue" not in said
    assert "to continue: dropbench sweep study=three_arm" in dropbench(capsys, "runs", "status").out


def test_a_plan_that_nobody_began_as_a_job_has_a_command_too(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = (*SHORT, "--quiet", "--shard", "1/2", "--tune", "train.lr=0.001,0.1", "--tuning-seeds", "2")
    assert dropbench(capsys, *words).code == 0
    (plan,) = status(capsys)["plans"]
    assert (
        plan["command"].startswith("dropbench sweep study=three_arm") and "--tune train.lr=0.001,0.1" in plan["command"]
    )
    assert plan["shard"] == "1/2" and plan["command"].endswith(" --shard 1/2")
    assert "of it shard 1/2 is trained here, now by nobody; to continue this part: dropbench sweep" in (
        dropbench(capsys, "runs", "status").out
    )
    (folder / "results").rename(folder / "moved")
    assert "dropbench sweep study=three_arm" in (said := dropbench(capsys, "runs", "status", "moved").out)
    assert " results=moved --tune" in said
    assert dropbench(capsys, *(w for w in words if w not in ("--shard", "1/2")), "results=moved").code == 0
    assert "every plan is complete" in dropbench(capsys, "runs", "status", "moved").out


def test_a_single_run_in_training_and_one_that_was_saved_are_told_of(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from dropbench.store.checkpoints import WORK, Checkpoints
    from dropbench.store.claims import Claims

    assert dropbench(capsys, *SHORT, "--quiet").code == 0
    root = folder / "results"
    Checkpoints(root, WORK).write("x", {}, (3, 0), {}, {"0123456789ab": {"told": {}}})
    with Claims(root, beats=False) as claims:
        claims.take(["ba9876543210"])
        said = dropbench(capsys, "runs", "status").out
        assert f"1 single run in training by process {os.getpid()} on this machine" in said
        assert "1 single run (0123456789ab) saved in the middle of training; run the command that trained it" in said
        single = json.loads(dropbench(capsys, "runs", "status", "--json").out)[0]["single"]
        assert single["saved"] == ["0123456789ab"] and [one["runs"] for one in single["training"]] == [1]


def test_plans_that_cannot_be_read_are_not_called_complete(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert dropbench(capsys, *SHORT, "--quiet").code == 0
    (plan,) = (folder / "results" / "plans").iterdir()
    plan.write_text(plan.read_text()[:50])
    said = dropbench(capsys, "runs", "status").out
    assert said == "results: 1 plan cannot be read; dropbench runs verify says why\n"
    assert status(capsys)["unreadable"] == [f"results/plans/{plan.name}"]
    said = dropbench(capsys, "report", "study=three_arm").err
    assert f"1 plan cannot be read, such as results/plans/{plan.name}" in said and "type the same sweep again" in said
    assert dropbench(capsys, *SHORT, "--quiet").code == 0 and status(capsys)["unreadable"] == []
    assert dropbench(capsys, "report", "study=three_arm").code == 0


def test_mistakes_are_said_before_anything_is_detached(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for words in (("dropout.rat=0.3",), ("device=cuda",), ("--shard", "4/3")):
        said = dropbench(capsys, "sweep", *TINY, *words, "--detach")
        assert said.code == 2 and len(said.err.strip().splitlines()) == 1, said.err
    assert not (folder / "results" / "jobs").exists()


def test_what_to_stop_is_asked_where_it_is_not_clear(job: Path, capsys: pytest.CaptureFixture[str]) -> None:
    said = dropbench(capsys, "runs", "stop", "swep-1")
    assert said.code == 2 and "sweep-1" in said.err
    other = jobs.new(job.parents[1], "sweep", command=SHORT, where=".", plans=(), created="2027", node="here")
    jobs.begin(other.folder, jobs.COMMAND, "here")
    said = dropbench(capsys, "runs", "stop")
    assert said.code == 2 and "2 jobs are running (sweep-1, sweep-2)" in said.err and "--all" in said.err

"""`execute=slurm`, on submitit's own executor of this machine: tasks that share a folder, and commands that wait for them."""

from __future__ import annotations

import json
import os
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from bits import everything
from cluster import Cluster
from terminal import TINY, dropbench, started

from dropbench.process import alive
from dropbench.store import jobs
from dropbench.store.jobs import Job

pytest.importorskip("submitit")
pytestmark = pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="processes as Linux tells of them")
HERE = ("execute.workers=1", "device=cpu")
TASKS = ("execute=slurm", "execute.slurm.cluster=local", "execute.slurm.cpus=1", "device=cpu", "execute.cohort=3")
SHORT = ("sweep", "study=three_arm", *TINY, "seed=range(0,2)")
LONG = ("sweep", "data=wine", "model.widths=[4]", "train.epochs=1500", "dropout.rate=0.1,0.3", "seed=0,1,2")
LONG = (*LONG, "metric=[loss]", "execute.checkpoint=20")


@pytest.fixture
def folder(bare: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """No task outlives the test."""
    monkeypatch.delenv("PYTEST_CURRENT_TEST", raising=False)
    yield bare
    here = alive.this()
    for job in jobs.jobs(bare / "results"):
        processes = [*job.keepers, *(member.process for member in jobs.members(job.folder).values())]
        for process in processes:
            if process is not None and here is not None and not process.has_ended(here):
                os.kill(process.pid, signal.SIGKILL)


def the_job(folder: Path) -> Job:
    (job,) = jobs.jobs(folder / "results")
    return job


def until(happened: Callable[[], Any]) -> Any:
    end = time.monotonic() + 120
    while not (found := happened()):
        assert time.monotonic() < end
        time.sleep(0.1)
    return found


def ended(job: Job) -> bool:
    here = alive.this()
    assert here is not None
    return all(keeper is None or keeper.has_ended(here) for keeper in job.keepers)


def saved(folder: Path) -> bool:
    return any((folder / "results" / "work").glob("[!.]*.safetensors"))


def test_a_sweep_by_tasks_is_the_sweep(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    said = dropbench(capsys, *SHORT, *TASKS)
    assert said.code == 0, said.err
    assert "job three_arm-1: 2 tasks for 6 runs" in said.err and "6 of 6 runs have ended" in said.err
    assert "mlp on wine" in said.out and "none" in said.out
    assert dropbench(capsys, *SHORT, *HERE, "results=whole").code == 0
    assert everything(folder / "results") == everything(folder / "whole")
    assert not (folder / "results" / "work").exists()
    again = dropbench(capsys, *SHORT, *TASKS)
    assert again.code == 0 and "mlp on wine" in again.out and len(jobs.jobs(folder / "results")) == 1
    assert "every plan is complete" in dropbench(capsys, "runs", "status").out


def test_a_tuned_sweep_by_detached_tasks_is_told_of_and_found_again(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = (*SHORT, "--tune", "train.lr=0.001,0.1", "--tuning-seeds", "1")
    said = dropbench(capsys, *words, *TASKS, "execute.slurm.tasks=2", "--detach")
    assert said.code == 0 and "job three_arm-1 is 2 tasks; this terminal may be closed" in said.err, said.err
    state = json.loads(dropbench(capsys, "runs", "status", "--json").out)[0]
    assert state["plans"][0]["trained"] and sum(state["jobs"][0]["tasks"].values()) == 2
    assert "job three_arm-1 has 2 tasks: " in dropbench(capsys, "runs", "status").out
    said = dropbench(capsys, *words, *TASKS, "execute.slurm.tasks=2")  # the driver of another day
    assert said.code == 0 and "job three_arm-1 trains this already" in said.err, said.err
    assert "mlp on wine" in said.out and len(jobs.jobs(folder / "results")) == 1
    assert dropbench(capsys, *words, *HERE, "results=whole").code == 0
    assert everything(folder / "results") == everything(folder / "whole")


def test_a_shard_by_tasks_is_a_shard(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The plan knows its part, and whether a stage follows that needs the other parts."""
    words = (*SHORT, "--tune", "train.lr=0.001,0.1", "--tuning-seeds", "2", "--shard", "1/2")
    said = dropbench(capsys, *words, *TASKS, "execute.slurm.tasks=1")
    assert said.code == 0 and "The next stage needs the runs of all shards" in said.err, said.err
    (plan,) = json.loads(dropbench(capsys, "runs", "status", "--json").out)[0]["plans"]
    assert plan["shard"] == "1/2"


def test_a_run_that_fails_is_tried_once_by_all_tasks(
    mine: Path, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (mine / "metric").mkdir(exist_ok=True)
    (mine / "my_failing.py").write_text(
        "from pathlib import Path\n\ndef fails(output, target):\n"
        "    with Path('tried.txt').open('a') as file:\n        file.write('x')\n    raise ValueError('no')\n"
    )
    (mine / "metric" / "fails.yaml").write_text("fails:\n  name: fails\n  _target_: my_failing.fails\n")
    words = ("sweep", *TINY, "seed=0,1", "metric=[loss,fails]", "--conf", "mine")
    said = dropbench(capsys, *words, *TASKS[:-1], "execute.cohort=1")
    assert said.code == 1 and said.err.count(" failed: ValueError: no") == 2, said.err
    assert (folder / "tried.txt").read_text() == "xx"


def test_what_cannot_be_is_said_before_anything_is_submitted(
    folder: Path, capsys: pytest.CaptureFixture[str], cluster: Cluster
) -> None:
    for words, says in (
        (("execute.slurm.time=soon",), "a time such as 90min, 4h, 2d or 1-12:00:00"),
        (("execute.slurm.partion=x",), "did you mean 'execute.slurm.partition'?"),
        (("--force",), "--force: each task would train all runs again"),
        (("--max-minutes", "3"), "type execute.slurm.time=90min"),
        (("--task", "nowhere:1/2"), "there is no such task"),
    ):
        said = dropbench(capsys, *SHORT, *TASKS, *words)
        assert said.code == 2 and says in said.err and len(said.err.splitlines()) == 1, said.err
    for command in ("train", "advise"):
        said = dropbench(capsys, command, "data=wine", "execute=slurm")
        assert said.code == 2 and "execute=slurm is for dropbench sweep" in said.err
    assert not (folder / "results" / "jobs").exists()


def test_a_driver_that_cannot_ask_the_cluster_submits_nothing_again(
    folder: Path, capsys: pytest.CaptureFixture[str], cluster: Cluster
) -> None:
    words = (*SHORT, "execute=slurm", "execute.slurm.cpus=1", "execute.cohort=3", "device=cpu", "--detach")
    assert dropbench(capsys, *words).code == 0
    cluster.queue(t0="RUNNING", t1="PENDING")
    assert "trains this already: has 2 tasks: 2 pending" in dropbench(capsys, *words).err
    cluster.say("down")
    assert "trains this already: has 2 tasks: 2 unknown" in dropbench(capsys, *words).err
    assert len(jobs.jobs(folder / "results")) == 1
    cluster.say("down", on=False)
    cluster.queue()  # it has forgotten the job: its tasks have died
    assert dropbench(capsys, *words).code == 0 and len(jobs.jobs(folder / "results")) == 2
    said = dropbench(capsys, "runs", "stop", "three_arm-1")
    assert said.code == 0 and "no job of results is running" in said.err and cluster.cancelled == []


def test_a_task_that_would_train_something_else_trains_nothing(
    folder: Path, capsys: pytest.CaptureFixture[str], cluster: Cluster
) -> None:
    words = (*SHORT, "execute=slurm", "execute.slurm.cpus=1", "device=cpu")
    assert dropbench(capsys, *words, "--detach").code == 0
    place = f"{the_job(folder).folder}:1/1"
    said = dropbench(capsys, *SHORT, "train.lr=0.5", "execute=slurm", "--task", place)
    assert said.code == 2 and "data or code have changed since job three_arm-1 was submitted" in said.err
    assert not any((folder / "results" / "runs").iterdir())
    assert dropbench(capsys, *words, "--task", place).code == 0
    assert len(list((folder / "results" / "runs").iterdir())) == 6


def test_stop_saves_what_tasks_train(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert dropbench(capsys, *LONG, *TASKS, "--detach").code == 0
    until(lambda: saved(folder))
    said = dropbench(capsys, "runs", "stop")
    assert said.code == 0 and "sweep-1 has ended; to continue: dropbench sweep data=wine" in said.err, said.err
    assert ended(the_job(folder)) and saved(folder)
    assert "job sweep-1 has 2 tasks: 2 ended" in dropbench(capsys, "runs", "status").out


@pytest.mark.slow
@pytest.mark.parametrize("lost", ["preempted", "command", "driver", "ctrl-c"])
def test_nothing_is_lost_and_nothing_twice_whatever_ends(
    folder: Path, capsys: pytest.CaptureFixture[str], lost: str
) -> None:
    driver = started(folder, *LONG, *TASKS)
    until(lambda: saved(folder))
    job = the_job(folder)
    member = jobs.members(job.folder)["0"].process
    assert member is not None
    if lost == "preempted":  # as Slurm tells submitit, whose process is the command's parent
        parent = int(Path(f"/proc/{member.pid}/stat").read_text().rpartition(")")[2].split()[1])
        os.kill(parent, signal.SIGUSR2)
    elif lost == "command":
        os.kill(member.pid, signal.SIGKILL)
    elif lost == "driver":
        driver.kill()
    else:
        os.killpg(driver.pid, signal.SIGINT)
    out, err = driver.communicate(timeout=300)
    if lost in ("driver", "ctrl-c"):
        assert driver.returncode == (-signal.SIGKILL if lost == "driver" else 130)
        assert lost == "driver" or "the tasks of job sweep-1 continue" in err
        assert not ended(job)
        driver = started(folder, *LONG, *TASKS)
        out, err = driver.communicate(timeout=300)
        assert "job sweep-1 trains this already" in err, err
    assert driver.returncode == 0 and "mlp on wine" in out, err
    assert len(jobs.jobs(folder / "results")) == 1
    if lost in ("preempted", "command"):
        again = jobs.members(job.folder)["0"].process
        assert again is not None and again.pid != member.pid, "the task went on"
    assert dropbench(capsys, *LONG, *HERE, "results=whole", "--quiet").code == 0
    assert everything(folder / "results") == everything(folder / "whole")

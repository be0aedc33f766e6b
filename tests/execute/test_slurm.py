"""Array jobs: what Slurm is asked for, how many tasks there are, and what is made of what it says."""

from __future__ import annotations

import importlib.util
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from cluster import Cluster
from pydantic import ValidationError

from dropbench.config.compose import composer
from dropbench.errors import UsageError
from dropbench.execute import slurm
from dropbench.planning.plan import Plan, make
from dropbench.process import alive
from dropbench.settings import SlurmSpec
from dropbench.store import jobs
from dropbench.store.jobs import Job

pytest.importorskip("submitit")
FEW = ("data=wine", "model.widths=[4]", "device=cpu", "execute=slurm")


@pytest.fixture
def job(tmp_path: Path) -> Job:
    made = jobs.new(
        tmp_path / "results",
        "a",
        command=("sweep",),
        where=str(tmp_path),
        plans=(),
        created="",
        node="",
        cluster="slurm",
    )
    return jobs.keep(replace(made, tasks=("123_0", "123_1", "123_2")))


def planned(*words: str) -> Plan:
    with composer([]) as c:
        return make([*FEW, *words], c)


def count(plan: Plan) -> int:
    return slurm.tasks_for(plan.specs, plan.outlines, plan.settings)


def test_what_is_asked_of_slurm(cluster: Cluster, job: Job, tmp_path: Path) -> None:
    spec = SlurmSpec.model_validate(
        {
            "partition": "gpu",
            "account": 7,
            "qos": "long",
            "time": "1-12:00:00",
            "cpus": 8,
            "gpus": 1,
            "memory": "32GB",
            "parallel": 2,
            "setup": ["module load python"],
            "options": {"constraint": "a100", "mail-type": "END"},
        }
    )
    made = slurm.submit(job, spec, [["true"], ["true"], ["true"]])
    assert made.tasks == ("123_0", "123_1", "123_2") and jobs.read(job.folder) == made
    lines = cluster.submitted
    for option in (
        "array=0-2%2",
        "partition=gpu",
        "account=7",
        "qos=long",
        "time=2160",
        "cpus-per-task=8",
        "gpus-per-node=1",
        "mem=32GB",
        "constraint=a100",
        "mail-type=END",
        "signal=USR2@90",
        "open-mode=append",
        f"job-name=dropbench:{job.name}",
    ):
        assert f"#SBATCH --{option}" in lines, lines
    assert "module load python" in lines
    assert any("submitit.core._submit" in line and str(job.log) in line for line in lines)


def test_what_is_not_asked_for_is_the_clusters_default(cluster: Cluster, job: Job) -> None:
    slurm.submit(job, SlurmSpec(), [["true"]])
    text = "\n".join(cluster.submitted)
    for option in ("partition", "account", "qos", "gpus", "mem", "array"):
        assert f"#SBATCH --{option}" not in text


def test_what_slurm_refuses_is_a_sentence(cluster: Cluster, job: Job) -> None:
    cluster.say("full")
    with pytest.raises(UsageError, match=r"the cluster did not accept the job: .*invalid partition"):
        slurm.submit(job, SlurmSpec(), [["true"], ["true"]])


@pytest.mark.parametrize(
    ("typed", "minutes"),
    [
        ("90min", 90),
        ("4h", 240),
        ("1.5h", 90),
        ("2d", 2880),
        ("12:00:00", 720),
        ("1-12:00:30", 2161),
        ("240:00:00", 14400),
    ],
)
def test_times(typed: str, minutes: int) -> None:
    assert SlurmSpec.model_validate({"time": typed}).time == minutes


@pytest.mark.parametrize("key", ["time", "memory", "tasks", "cpus", "gpus", "cluster", "unknown"])
def test_values_that_cannot_be(key: str) -> None:
    with pytest.raises(ValidationError):
        SlurmSpec.model_validate({key: -1})


def test_there_are_never_more_tasks_than_cohorts_nor_than_allowed() -> None:
    many = ("dropout.rate=0.1,0.2", "seed=range(0,20)", "execute.cohort=1", "execute.slurm.cpus=1")
    assert count(planned(*many)) == 40
    assert count(planned(*many, "execute.slurm.tasks=7")) == 7
    assert count(planned("seed=0,1,2", "execute.cohort=1", "execute.slurm.cpus=1")) == 3
    assert count(planned("seed=range(0,8)", "execute.cohort=1", "execute.slurm.cpus=4")) == 2, "a worker a cohort"
    assert count(planned("seed=range(0,8)", "execute.slurm.cpus=1")) == 1, "runs that stack are not torn apart"
    assert count(planned("seed=0")) == 1


def test_a_thousand_runs_are_at_most_fifty_tasks() -> None:
    assert count(planned("dropout.rate=0.1,0.2", "seed=range(0,500)", "execute.cohort=1", "execute.slurm.cpus=1")) == 50


def test_states_are_those_of_the_queue_and_of_what_tasks_say(cluster: Cluster, job: Job) -> None:
    cluster.queue(t0="RUNNING", t1="PENDING", t2="RUNNING")
    jobs.begin(job.folder, "0", "n1")
    assert slurm.task_states(job) == ["running", "pending", "pending"], "one that has not begun to speak is about to"
    jobs.end(job.folder, "0", 0)
    cluster.queue(t1="COMPLETING")
    jobs.begin(job.folder, "1", "n1")
    assert slurm.task_states(job) == ["ended", "running", "died"]
    cluster.queue()  # Slurm has forgotten the job
    jobs.end(job.folder, "1", 143)
    assert slurm.task_states(job) == ["ended", "died", "died"]
    jobs.ask_to_stop(job)
    assert slurm.task_states(job) == ["ended", "ended", "ended"]


def test_what_cannot_be_asked_is_unknown_and_not_dead(
    cluster: Cluster,
    job: Job,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    cluster.say("down")
    jobs.begin(job.folder, "0", "n1")
    jobs.end(job.folder, "0", 0)
    assert slurm.task_states(job) == ["ended", "unknown", "unknown"]
    cluster.say("down", on=False)
    monkeypatch.setenv("PATH", "/nowhere")
    assert slurm.task_states(job) == ["ended", "unknown", "unknown"]


def test_only_what_waits_of_this_very_job_is_cancelled(cluster: Cluster, job: Job) -> None:
    slurm.cancel_waiting(job)
    assert cluster.cancelled == [f"--state=PENDING --name=dropbench:{job.name} 123"]
    slurm.cancel_waiting(replace(job, tasks=("--user=me", "-1_2")))
    assert cluster.cancelled[1:] == []


def test_tasks_of_this_machine_are_told_by_who_looks_after_them(job: Job) -> None:
    here = alive.this()
    assert here is not None
    local = replace(job, cluster="local", tasks=("1", "2"), keepers=(here, replace(here, start="1")))
    jobs.begin(job.folder, "0", "n1")
    assert slurm.task_states(local) == ["running", "died"]
    assert slurm.task_states(replace(local, keepers=(replace(here, node="other"),) * 2)) == ["unknown", "unknown"]


def test_without_submitit_or_slurm_a_sentence_says_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(UsageError, match=r"no sbatch and srun; .* execute\.slurm\.cluster=local"):
        slurm.check(SlurmSpec())
    slurm.check(SlurmSpec(cluster="local"))
    found: Any = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == "submitit" else found(name))
    with pytest.raises(UsageError, match=r"pip install 'dropbench\[slurm\]'"):
        slurm.check(SlurmSpec(cluster="local"))


def test_a_task_that_was_killed_goes_on_and_one_that_failed_does_not(tmp_path: Path) -> None:
    from dropbench.execute.slurm_task import Task

    (tmp_path / "n").write_text("0")
    add = f"n=$(cat {tmp_path}/n); echo $((n+1)) > {tmp_path}/n; "
    assert Task(["sh", "-c", add + "kill -9 $$"], str(tmp_path), str(tmp_path))() == -9
    assert (tmp_path / "n").read_text().strip() == "3"
    assert Task(["sh", "-c", add + "exit 2"], str(tmp_path), str(tmp_path))() == 2
    assert (tmp_path / "n").read_text().strip() == "4"


def test_a_task_is_queued_again_unless_its_job_is_to_stop(tmp_path: Path, job: Job) -> None:
    from dropbench.execute.slurm_task import Task

    task = Task(["true"], str(tmp_path), str(job.folder))
    again = task.checkpoint()
    assert json.dumps(again.function.words) == '["true"]'
    jobs.ask_to_stop(job)
    assert task.checkpoint() is None

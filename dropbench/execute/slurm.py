"""Array jobs on a Slurm cluster, through submitit: the number of tasks, their submission, their states, and cancelling them."""

from __future__ import annotations

import importlib.util
import json
import math
import shutil
import subprocess
import tempfile
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from typing import Any

from dropbench.errors import UsageError
from dropbench.execute.cohorts import cohorts
from dropbench.hardware.device import resolve_workers
from dropbench.planning.outline import Outline
from dropbench.process import alive, session
from dropbench.settings import Settings, SlurmSpec
from dropbench.spec import RunSpec
from dropbench.store import jobs
from dropbench.store.checkpoints import Checkpoints
from dropbench.store.jobs import Job

LIVE = ("running", "pending", "unknown")
"""The states of a task that has not ended, as far as is known."""
_QUEUED = ("PENDING", "REQUEUED", "REQUEUE_HOLD", "REQUEUE_FED", "SPECIAL_EXIT", "RESV_DEL_HOLD", "CONFIGURING")
_PATIENCE_S = 120.0
_NAME = "dropbench:"


def check(spec: SlurmSpec) -> None:
    """Raises UsageError if tasks cannot be submitted from this machine."""
    if importlib.util.find_spec("submitit") is None:
        raise UsageError("execute=slurm needs submitit, which is not installed: pip install 'dropbench[slurm]'")
    if spec.cluster == "slurm" and not (shutil.which("sbatch") and shutil.which("srun")):
        raise UsageError(
            "execute=slurm: this machine has no sbatch and srun; log in to a machine that submits jobs, or try it here with "
            "execute.slurm.cluster=local"
        )


def tasks_for(specs: Sequence[RunSpec], outlines: Mapping[str, Outline], settings: Settings) -> int:
    """Returns how many tasks these runs keep busy with one worker per cohort: at least one, at most what the settings allow.

    The sizes of cohorts follow from the rule, without measuring, because this machine is not a node of the cluster.
    """
    spec = settings.execute.slurm
    assert spec is not None
    there = [s for s in specs if s.run_id in outlines]
    device = _device(spec, [outlines[s.run_id] for s in there])
    workers = resolve_workers(settings, device)
    places = {run: (at.epoch, at.step) for run, at in Checkpoints(settings.results).latest().items()}
    groups = cohorts(there, outlines, settings, device, workers, places=places)
    return max(1, min(spec.tasks, math.ceil(len(groups) / workers)))


def _device(spec: SlurmSpec, outlines: Collection[Outline]) -> str:
    """Returns the device of a task. Without a card here, networks without a replica axis are planned as on a CPU."""
    if not spec.gpus:
        return "cpu"
    import torch

    return "cuda" if torch.cuda.is_available() or all(outline.stacked for outline in outlines) else "cpu"


def submit(job: Job, spec: SlurmSpec, commands: Sequence[Sequence[str]]) -> Job:
    """Submits an array of tasks. commands: the words of each task's command, which runs in the folder `job.where`.

    Raises UsageError with the cluster's message if it does not accept the job.
    """
    job.log.mkdir(exist_ok=True)
    asked = {
        "cluster": spec.cluster,
        "folder": str(job.folder.resolve()),
        "logs": str(job.log.resolve()),
        "where": job.where,
        "parameters": _parameters(spec, job.name),
        "commands": [list(words) for words in commands],
    }
    # Files and not pipes, because tasks on this machine would hold the other ends of pipes open until they end.
    with tempfile.TemporaryFile("w+") as said, tempfile.TemporaryFile("w+") as wrong:
        words = [*session.python(), "-m", "dropbench.execute.slurm_submit"]
        code = subprocess.run(
            words, input=json.dumps(asked), stdout=said, stderr=wrong, text=True, start_new_session=True
        ).returncode
        said.seek(0)
        wrong.seek(0)
        lines, complaints = said.read().splitlines(), [line for line in wrong.read().splitlines() if line.strip()]
    if code or not lines:
        why = complaints[-1] if complaints else "it gave no reason"
        raise UsageError(
            f"the cluster did not accept the job: {why}; the keys of execute.slurm set what the job asks for"
        )
    told = json.loads(lines[-1])
    return jobs.keep(replace(job, tasks=tuple(told["tasks"]), keepers=tuple(map(alive.read, told["keepers"]))))


def _parameters(spec: SlurmSpec, name: str) -> dict[str, Any]:
    """Returns the parameters by submitit's names; None means the cluster's default."""
    return {
        "name": f"{_NAME}{name}",
        "timeout_min": spec.time,
        "mem_gb": spec.memory,
        "cpus_per_task": spec.cpus,
        "gpus_per_node": spec.gpus or None,
        "stderr_to_stdout": True,
        "slurm_partition": spec.partition,
        "slurm_account": spec.account,
        "slurm_qos": spec.qos,
        "slurm_array_parallelism": spec.parallel or spec.tasks,
        "slurm_setup": list(spec.setup) or None,
        "local_setup": list(spec.setup) or None,
        "slurm_additional_parameters": dict(spec.options) or None,
    }


def task_states(job: Job) -> list[str]:
    """Returns the state of each task: running, pending, ended, died, or unknown if the cluster cannot be asked."""
    queue = _queue(job.tasks) if job.cluster == "slurm" else _kept(job)
    members = jobs.members(job.folder)
    states = []
    for place, task in enumerate(job.tasks):
        member = members.get(str(place))
        if queue is None:
            states.append("ended" if member is not None and member.code in (0, 1) else "unknown")
        elif task in queue:
            states.append(queue[task] if member is not None or queue[task] != "running" else "pending")
        else:
            well = (member is not None and member.code in (0, 1)) or jobs.is_to_stop(job.folder)
            states.append("ended" if well else "died")
    return states


def _kept(job: Job) -> dict[str, str] | None:
    """Returns the tasks of this machine whose keeper process is alive; None on another machine or if that is unknown."""
    here = alive.this()
    if here is None or not all(keeper is not None and keeper.is_near(here) for keeper in job.keepers):
        return None
    pairs = zip(job.tasks, job.keepers, strict=True)
    return {task: "running" for task, keeper in pairs if keeper is not None and not keeper.has_ended(here)}


def _queue(tasks: Sequence[str]) -> dict[str, str] | None:
    """Returns the state of each task that is still in Slurm's queue, or None if Slurm cannot be asked."""
    ids = _ids(tasks)
    if not ids or not shutil.which("squeue"):
        return None if ids else {}
    try:
        done = subprocess.run(
            ["squeue", "--noheader", "--array", "--format=%i %T", f"--jobs={','.join(ids)}"],
            capture_output=True,
            text=True,
            timeout=_PATIENCE_S,
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    if done.returncode:
        return {} if "Invalid job id" in done.stderr else None  # Slurm forgets jobs some minutes after their end
    found = {}
    for line in done.stdout.splitlines():
        task, _, state = line.strip().partition(" ")
        if task in tasks:
            found[task] = "pending" if state.strip() in _QUEUED else "running"
    return found


def cancel_waiting(job: Job) -> None:
    """Cancels the tasks that have not begun. Tasks that are training learn from the job's folder that they are to end.

    Slurm gets the job's name along with the ids, so that wrong ids in a results folder cannot cancel another job.
    """
    ids = _ids(job.tasks)
    if job.cluster == "slurm" and ids and shutil.which("scancel"):
        words = ["scancel", "--state=PENDING", f"--name={_NAME}{job.name}", *ids]
        subprocess.run(words, capture_output=True, timeout=_PATIENCE_S, check=False)


def _ids(tasks: Sequence[str]) -> list[str]:
    """Returns the array ids of tasks. Anything that is not an id is left out, because anybody may have written the file."""
    return sorted({first for task in tasks if (first := task.partition("_")[0]).isdecimal()})

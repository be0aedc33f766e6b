"""The states of the jobs of a results folder: whether a process runs each of them, where, and how they ended."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from dropbench.process import alive
from dropbench.store import jobs
from dropbench.store.training import Trainer, at_work, where
from dropbench.values import count

if TYPE_CHECKING:
    from dropbench.store.jobs import Job, Member

_ENDS = {0: "is done", 1: "has ended, with failed runs", 130: "was stopped", 143: "was stopped"}


@dataclass(frozen=True)
class State:
    """The state of a job.

    Parameters
    ----------
    job : Job
        The job.
    alive : bool
        Whether a process runs it, or is going to.
    said : str
        The rest of a sentence that begins with the job's name.
    tasks : mapping of str to int
        For an array, how many tasks are in each state; empty otherwise.
    ended : bool
        Whether it is known to have ended; False for a job that never began too, because it may be about to.
    out_of_sight : bool
        Whether it is on a machine that cannot be seen from here, so that it may be running.
    """

    job: Job
    alive: bool
    said: str
    tasks: dict[str, int] = field(default_factory=dict)
    ended: bool = False
    out_of_sight: bool = False


def states(root: Path, working: Callable[[], Sequence[Trainer]] | None = None) -> list[State]:
    """Return the state of every job, oldest first.

    working: returns who trains in the folder; it is called only if a job is on another machine, and once at most.
    """
    known: list[Sequence[Trainer]] = []

    def asked() -> Sequence[Trainer]:
        if not known:
            known.append((working or (lambda: at_work(root)))())
        return known[0]

    return [_of_one(job, asked) if job.cluster is None else _of_array(job) for job in jobs.jobs(root)]


def state_of(job: Job) -> State:
    """Return the current state of one job."""
    return _of_array(job) if job.cluster is not None else _of_one(job, lambda: at_work(job.folder.parent.parent))


def going_on(root: Path, plans: Sequence[str]) -> State | None:
    """Return the newest job that is alive and carries out one of these plans, by id; None if there is none."""
    there = [state for state in states(root) if state.alive and set(state.job.plans) & set(plans)]
    return there[-1] if there else None


def _of_one(job: Job, working: Callable[[], Sequence[Trainer]]) -> State:
    """Return the state of a job that is one process."""
    member = jobs.members(job.folder).get(jobs.COMMAND)
    if member is None:
        return State(job, False, "never began")
    if member.code is not None:
        return State(job, False, ended(member.code), ended=True)
    if member.process is None:
        said = f"is on {member.node}; whether it has died cannot be seen from here"
        return State(job, False, said, out_of_sight=True)
    here = alive.this()
    if here is not None and member.process.is_near(here):
        if member.process.has_ended(here):
            return State(job, False, f"has died ({where(member.process)} is gone)", ended=True)
        return State(job, True, f"trains ({where(member.process)})")
    if any(trainer.process == member.process for trainer in working()):
        return State(job, True, f"trains ({where(member.process)})")
    said = f"is on {member.node} and has not been seen training: it still plans, or it has died"
    return State(job, False, said, out_of_sight=True)


def ended(code: int) -> str:
    """Say how a command ended, by its exit code."""
    return _ENDS.get(code, f"has ended with exit code {code}")


def _of_array(job: Job) -> State:
    """Return the state of a job that is an array of tasks."""
    from dropbench.execute.slurm import LIVE, task_states

    told = Counter(task_states(job))
    lives = any(state in LIVE for state in told)
    counted = ", ".join(f"{n} {state}" for state, n in sorted(told.items()))
    over = bool(told) and not lives  # without tasks it is being submitted
    return State(job, lives, f"has {count(len(job.tasks), 'task')}: {counted}", dict(told), ended=over)


def member_of(job: Job) -> Member | None:
    """Return the process that runs a job; None before it has started, and for an array of tasks."""
    return jobs.members(job.folder).get(jobs.COMMAND)

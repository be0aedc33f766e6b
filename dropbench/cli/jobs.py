"""How the jobs of a results folder stand: whether anybody carries them out, where, and how they ended."""

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
    """How a job stands.

    Parameters
    ----------
    job : Job
        Which.
    alive : bool
        Whether somebody carries it out, or is to.
    said : str
        The rest of a sentence that begins with the job.
    tasks : mapping of str to int
        Of an array, how many tasks are in each state; empty otherwise.
    """

    job: Job
    alive: bool
    said: str
    tasks: dict[str, int] = field(default_factory=dict)

    @property
    def out_of_sight(self) -> bool:
        """Whether it is on a machine that cannot be seen from here, so that it may yet go on."""
        return self.said.startswith("is on ")


def states(root: Path, working: Callable[[], Sequence[Trainer]] | None = None) -> list[State]:
    """Of every job, oldest first. working: who trains in the folder; it is asked only where a job is on another machine."""
    known: list[Sequence[Trainer]] = []

    def asked() -> Sequence[Trainer]:
        if not known:
            known.append((working or (lambda: at_work(root)))())
        return known[0]

    return [_of_one(job, asked) if job.cluster is None else _of_array(job) for job in jobs.jobs(root)]


def state_of(job: Job) -> State:
    """Of one job as it is now."""
    return _of_array(job) if job.cluster is not None else _of_one(job, lambda: at_work(job.folder.parent.parent))


def going_on(root: Path, plans: Sequence[str]) -> State | None:
    """The newest job that carries out one of these plans, by id; None where none does."""
    there = [state for state in states(root) if state.alive and set(state.job.plans) & set(plans)]
    return there[-1] if there else None


def _of_one(job: Job, working: Callable[[], Sequence[Trainer]]) -> State:
    """Of a job that is one process."""
    member = jobs.members(job.folder).get(jobs.COMMAND)
    if member is None:
        return State(job, False, "never began")
    if member.code is not None:
        return State(job, False, ended(member.code))
    if member.process is None:
        return State(job, False, f"is on {member.node}, where it cannot be told whether it has died")
    here = alive.this()
    if here is not None and member.process.is_near(here):
        if member.process.has_ended(here):
            return State(job, False, f"has died ({where(member.process)} is gone)")
        return State(job, True, f"trains ({where(member.process)})")
    if any(trainer.process == member.process for trainer in working()):
        return State(job, True, f"trains ({where(member.process)})")
    return State(job, False, f"is on {member.node}, from where nothing is heard: it plans, or it has died")


def ended(code: int) -> str:
    """How a command has ended, by its exit code."""
    return _ENDS.get(code, f"has ended with exit code {code}")


def _of_array(job: Job) -> State:
    """Of a job that is several tasks."""
    from dropbench.execute.slurm import LIVE, task_states

    told = Counter(task_states(job))
    lives = any(state in LIVE for state in told)
    counted = ", ".join(f"{n} {state}" for state, n in sorted(told.items()))
    return State(job, lives, f"has {count(len(job.tasks), 'task')}: {counted}", dict(told))


def member_of(job: Job) -> Member | None:
    """The process that a job is, once it has begun."""
    return jobs.members(job.folder).get(jobs.COMMAND)

"""A command that is one of several tasks of a job on a cluster: it trains the runs that it can claim before the others."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

from dropbench.errors import UsageError

if TYPE_CHECKING:
    from dropbench.cli.work import Work
    from dropbench.execute.agenda import Marks
    from dropbench.planning.continuing import Course
    from dropbench.store.jobs import Job

_TRIED = "tried"


@dataclass(frozen=True)
class Task:
    """Task `number` of `of`, counted from 1. before: which failed runs were stored when the job was submitted."""

    job: Job
    number: int
    of: int
    before: Marks = field(repr=False)

    def check(self, courses: Sequence[Course]) -> None:
        """Raise UsageError if these courses are not those that the job was submitted for."""
        if {course.plan_id for course in courses} != set(self.job.plans):
            raise UsageError(
                f"data or code have changed since job {self.job.name} was submitted, so its runs are different runs now: "
                "type the sweep again"
            )

    def of_work(self, work: Work, *, waits: bool) -> Work:
        """Return the work in this task's own order, so that tasks that start together do not claim the same runs first."""
        first = (self.number - 1) * len(work.cohorts) // self.of
        return replace(work, cohorts=[*work.cohorts[first:], *work.cohorts[:first]], waits=waits)


def place(job: Job, number: int, of: int) -> str:
    """Return the value of `--task` that tells a task which one it is; `read` parses it."""
    return f"{job.folder.resolve()}:{number}/{of}"


def read(text: str) -> Task:
    """Return which task this command is. Raises UsageError for a text that names no task."""
    from dropbench.store import jobs

    found = re.fullmatch(r"(.+):(\d+)/(\d+)", text)
    job = jobs.read(Path(found[1])) if found else None
    if found is None or job is None:
        raise UsageError(
            f"--task {text}: there is no such task; this option is only for tasks that execute=slurm submits"
        )
    return Task(job, int(found[2]), int(found[3]), _tried(job))


def note_tried(job: Job, results: Path) -> None:
    """Store which runs failed before a job, so that a task that starts later does not retry runs that failed within the job."""
    from dropbench.execute.agenda import mark
    from dropbench.store import FAILED, files

    tried = {folder.name: mark(folder) for folder in files.visible(results / FAILED)}
    files.write_file(job.folder / _TRIED, json.dumps(tried).encode())


def _tried(job: Job) -> Marks:
    from dropbench.store import safely

    try:
        tree = json.loads(safely.content(job.folder / _TRIED))
        return {str(run): None if mark is None else (int(mark[0]), int(mark[1])) for run, mark in tree.items()}
    except (OSError, ValueError, TypeError, AttributeError, LookupError):
        return {}

"""`execute=slurm`: submits an array job whose tasks train what was asked for, and waits while it shows their progress."""

from __future__ import annotations

import os
import platform
import signal
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from dropbench.cli import task
from dropbench.cli.checks import computed
from dropbench.cli.console import Shown
from dropbench.cli.detached import again, called, tell
from dropbench.cli.jobs import going_on, state_of
from dropbench.cli.outcome import Done
from dropbench.cli.programs import carried_out
from dropbench.cli.sharding import share
from dropbench.cli.stages import Seen, as_stored, let_go
from dropbench.config.typed import command
from dropbench.errors import Interrupted, UsageError
from dropbench.store.jobs import JOBS
from dropbench.values import count

if TYPE_CHECKING:
    from dropbench.cli.work import Work
    from dropbench.execute.shards import Shard
    from dropbench.planning.continuing import Course
    from dropbench.planning.plan import Plan
    from dropbench.spec import RunSpec
    from dropbench.store import Store
    from dropbench.store.jobs import Job

_FIRST_S, _LAST_S = 1.0, 30.0
"""Seconds to wait between two looks at the progress, at first and at most: looking is to take a twentieth of the time."""
_GONE = 3
"""How many looks in a row must find no task before missing runs are given up: a shared folder shows new files with delay."""


@dataclass(frozen=True)
class Submission:
    """What tasks of a cluster are to train: the courses of the typed command, and which shard of them."""

    courses: Sequence[Course]
    shard: Shard | None

    @property
    def plans(self) -> list[str]:
        """The ids of the courses' plans."""
        return [course.plan_id for course in self.courses]


def on_slurm(plan: Plan) -> bool:
    """Return whether tasks of a cluster are to train this plan."""
    return plan.settings.execute.slurm is not None


def tell_tasks(specs: Sequence[RunSpec], plan: Plan, work: Work, shown: Shown) -> None:
    """Print, for a dry run, how many tasks would train these runs; print nothing if the plan is not for a cluster."""
    from dropbench.execute.slurm import tasks_for

    if not specs or not on_slurm(plan):
        return
    tasks = count(tasks_for(specs, plan.outlines, plan.settings), "task")
    shown.note(f"on the cluster: {tasks} of one array, {count(work.workers, 'worker')} each")


def submitted(asked: Submission, shown: Shown, *, detach: bool) -> bool:
    """Submit tasks that train what is left, unless a job already does, and wait for them unless `detach` is True.

    Returns
    -------
    bool
        Whether a report is to be shown: False if `detach` is True.

    Raises
    ------
    UsageError
        If nothing can be submitted.
    Interrupted
        On Ctrl-C while it waits. The tasks go on.
    """
    from dropbench.execute import slurm
    from dropbench.store import Store

    settings = asked.courses[0].first.settings
    assert settings.execute.slurm is not None
    slurm.check(settings.execute.slurm)
    store = Store(settings.results)
    store.check()
    there = going_on(store.root, asked.plans)
    if there is not None:
        shown.note(f"job {there.job.name} trains this already: {there.said}")
        job = there.job
    else:
        tasks = _tasks(asked, store)
        if not tasks:
            if detach:
                shown.note(f"nothing is left to train; to see the report: {command('report', str(store.root))}")
            return not detach
        job = _submit(asked, tasks, store, shown)
    if detach:
        tell(job, shown, f"job {job.name} is {count(len(job.tasks), 'task')}; this terminal may be closed")
        return False
    _wait(asked, job, store, shown)
    return True


def _tasks(asked: Submission, store: Store) -> int:
    """Return how many tasks the known remaining runs keep busy, the largest over the courses; 0 if nothing is left."""
    from dropbench.execute.slurm import tasks_for

    most = 0
    for course in asked.courses:
        seen = Seen(store, force=False)
        stages = course.stages(seen.ended)
        plan = stages[-1].plan
        left = [s for s in share(asked.shard, stages, seen) if not store.is_done(s.run_id)]
        if left:
            most = max(most, tasks_for(left, plan.outlines, plan.settings))
    return most


def _submit(asked: Submission, tasks: int, store: Store, shown: Shown) -> Job:
    from dropbench.execute import slurm
    from dropbench.process import session
    from dropbench.store import jobs

    spec = asked.courses[0].first.settings.execute.slurm
    assert spec is not None
    began = datetime.now(UTC).isoformat(timespec="seconds")
    for course in asked.courses:
        store.write_plan(as_stored(course, Seen(store, force=False), began, over=False, shard=asked.shard))
    job = jobs.new(
        store.root,
        called(asked.courses),
        command=tuple(again()),
        where=os.getcwd(),
        plans=tuple(asked.plans),
        created=datetime.now(UTC).isoformat(),
        node=platform.node(),
        cluster=spec.cluster,
    )
    task.note_tried(job, store.root)
    words = [*session.python(), "-m", "dropbench.cli.job", str(job.folder.resolve())]
    commands = [
        [*words, str(k), "--with-parent", "--", *job.command, "--task", task.place(job, k + 1, tasks)]
        for k in range(tasks)
    ]
    job = slurm.submit(job, spec, commands)
    runs = sum(len(course.first.specs) for course in asked.courses)
    shown.note(f"job {job.name}: {count(tasks, 'task')} for {count(runs, 'run')}; they write to {job.log}")
    return job


def _wait(asked: Submission, job: Job, store: Store, shown: Shown) -> None:
    """Wait until no task is left. Raises Interrupted if the user presses Ctrl-C."""
    from dropbench.report import follow  # noqa: F401  beforehand, since it takes as long as many looks

    pause, said, gone = _FIRST_S, "", 0
    try:
        while gone < _GONE:
            state, began = state_of(job), time.monotonic()
            line, complete = _standing(asked, store)
            if f"{line}; {state.said}" != said:
                said = f"{line}; {state.said}"
                shown.note(said)
            gone = 0 if state.alive else _GONE if complete else gone + 1
            if gone < _GONE:
                pause = min(_LAST_S, max(1.2 * pause, 20 * (time.monotonic() - began)))
                time.sleep(pause)
    except KeyboardInterrupt:
        raise Interrupted(_left_alone(job, store.root), 128 + signal.SIGINT) from None


def _standing(asked: Submission, store: Store) -> tuple[str, bool]:
    """Return a line on how many runs have ended, over all plans, and whether nothing is left."""
    from dropbench.report.follow import standing_of

    now = datetime.now(UTC)
    stood = [standing_of(plan, store, now) for plan in store.plans() if plan.plan_id in asked.plans and plan.trained]
    ended, failed, total = (sum(getattr(s, name) for s in stood) for name in ("ended", "failed", "total"))
    line = f"{ended} of {total} runs have ended" + (f", {failed} failed" if failed else "")
    return line, all(s.complete for s in stood)


def _left_alone(job: Job, root: Path) -> str:
    """Return the message that the tasks go on although this command no longer waits."""
    of = [] if str(root) == "results" else ["--results", str(root)]
    return (
        f"Not waiting any more: the tasks of job {job.name} continue. The same command waits for them again; "
        f"to end them: {command('runs', 'stop', job.name, *of)}"
    )


def finished(course: Course, asked: Submission, shown: Shown) -> Done:
    """Return the outcome of a course that tasks trained, after computing its checks and, without a shard, its programs."""
    from dropbench.store import Record, Store

    store = Store(course.first.settings.results)
    seen = Seen(store, force=False)
    stages = course.stages(seen.ended)
    while True:
        share(asked.shard, stages, seen)
        seen.now(s.run_id for s in stages[-1].plan.specs if isinstance(store.find(s.run_id), Record))
        known = course.stages(seen.ended)
        if len(known) == len(stages):
            break
        stages = known
    let_go(stages, seen.ended, store)
    plan = stages[-1].plan
    began = next((p.created for p in store.plans() if p.plan_id == course.plan_id), datetime.now(UTC).isoformat())
    first, pilot = course.first, course.rule.pilot if course.rule else []
    kept = replace(
        as_stored(course, seen, began, over=stages[-1].done(seen.ended), shard=asked.shard),
        checks=computed(first.checks),
        programs={} if asked.shard else carried_out(first.programs, course.seeds, pilot, store.root, shown.note),
    )
    store.write_plan(kept)
    failed = [r for s in plan.specs if isinstance(r := store.find(s.run_id), Record) and r.status == "failed"]
    for record in failed:
        shown.error(f"run {record.run_id} failed: {record.reason}; see {store.folder(record.run_id) / 'traceback.txt'}")
    elsewhere = seen.elsewhere(s.run_id for s in plan.specs)
    if missing := sum(seen.ended(s.run_id) is None for s in plan.specs) - elsewhere:
        shown.error(
            f"{count(missing, 'run')} of {len(plan.specs)} did not end, and no task is left to train them: the logs in "
            f"{store.root / JOBS} tell why; run the same command again to continue"
        )
    return Done(kept, plan, [], store, elsewhere, failed=len(failed) + missing, more=bool(course.ahead(stages)))


def trains_here(plan: Plan) -> None:
    """Raise UsageError for a plan that tasks of a cluster are to train."""
    if on_slurm(plan):
        raise UsageError("execute=slurm is for dropbench sweep: this command trains here; leave it out")


def refused(*, force: bool, minutes: float | None) -> None:
    """Raise UsageError for options that do not work with tasks."""
    if force:
        raise UsageError(
            "--force: each task would train all runs again; remove them first (dropbench runs remove), or leave it out"
        )
    if minutes is not None:
        raise UsageError(
            "--max-minutes is for a command that trains itself; with execute=slurm type execute.slurm.time=90min"
        )

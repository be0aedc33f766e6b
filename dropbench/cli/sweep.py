"""`dropbench sweep`: trains every run of a grid or a study, and then shows its report."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import nullcontext, suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from dropbench.cli.asking import Going, asked_for, ends_in
from dropbench.cli.checks import computed
from dropbench.cli.console import Shown
from dropbench.cli.detached import detach as detached
from dropbench.cli.dry_run import DryRun, show
from dropbench.cli.measuring import left_to_train
from dropbench.cli.on_slurm import Submission, finished, on_slurm, refused, submitted, tell_tasks, trains_here
from dropbench.cli.outcome import Done, failed_runs, tell
from dropbench.cli.programs import carried_out
from dropbench.cli.several_studies import carry_out_each, each_study
from dropbench.cli.sharding import share, tell_rest, tell_share
from dropbench.cli.stages import Seen, as_stored, let_go, looked_now, rest
from dropbench.cli.training import trained
from dropbench.cli.work import Work, arranged, within
from dropbench.errors import UsageError
from dropbench.execute.failure_policy import LENIENT, FailurePolicy
from dropbench.values import count

if TYPE_CHECKING:
    from dropbench.cli.task import Task
    from dropbench.execute.agenda import Marks
    from dropbench.execute.local import Stored
    from dropbench.execute.shards import Shard
    from dropbench.planning.continuing import Course
    from dropbench.planning.plan import Plan
    from dropbench.spec import RunSpec
    from dropbench.store import Store, StoredCheck, StoredPlan, StoredProgram


def sweep(
    overrides: Sequence[str],
    conf: Sequence[Path],
    going: Going,
    *,
    policy: FailurePolicy,
    force: bool,
    dry_run: DryRun | None,
    as_json: bool,
    quiet: bool,
    max_runs: int,
    max_minutes: float | None = None,
    shard: str | None = None,
    detach: bool = False,
    task: str | None = None,
) -> int:
    """Train the runs that are not finished yet, or print which these are. Return the exit code: 1 if a run failed.

    shard: which part to train, as typed (`3/8`). task: which task of a job this command is, as `task.place` writes it. Raises
    UsageError for what cannot be trained, for options that do not go together, and for more than `max_runs` runs.
    """
    until = ends_in(max_minutes)
    part = _part(shard)
    from dropbench.config.compose import composer

    shown = Shown(quiet, as_json)
    with composer(conf) as c:
        courses = [asked_for(one, going, c, max_runs) for one in each_study(overrides, c, as_json=as_json)]
        one = _task(task, courses)
        if on_slurm(courses[0].first) and one is None and not dry_run:
            refused(force=force, minutes=max_minutes)
            return _by_tasks(Submission(courses, part), conf, shown, detach=detach)
        if detach and not dry_run:
            return detached(courses, shown, force=force, shard=part)

        def carried(course: Course) -> int:
            return carry_out(
                course,
                conf,
                shown,
                policy,
                force=force,
                dry_run=dry_run,
                until=until,
                shard=part,
                task=one,
                one_of_several=len(courses) > 1,
            )

        return carry_out_each(courses, carried, shown, dry_run=dry_run is not None)


def _by_tasks(asked: Submission, conf: Sequence[Path], shown: Shown, *, detach: bool) -> int:
    """Let tasks of a cluster train the courses, and show the outcome. Return the exit code."""
    if not submitted(asked, shown, detach=detach):
        return 0
    several = len(asked.courses) > 1
    return carry_out_each(
        asked.courses,
        lambda course: _told(finished(course, asked, shown), conf, shown, asked.shard, one_of_several=several),
        shown,
        dry_run=False,
    )


def _task(task: str | None, courses: Sequence[Course]) -> Task | None:
    if task is None:
        return None
    from dropbench.cli.task import read

    one = read(task)
    one.check(courses)
    return one


def _part(shard: str | None) -> Shard | None:
    if shard is None:
        return None
    from dropbench.execute.shards import read

    return read(shard)


def carry_out(
    course: Course,
    conf: Sequence[Path],
    shown: Shown,
    policy: FailurePolicy = LENIENT,
    *,
    force: bool = False,
    dry_run: DryRun | None = None,
    until: float | None = None,
    shard: Shard | None = None,
    task: Task | None = None,
    one_of_several: bool = False,
) -> int:
    """Train what is left of a course, as `pursue` does, and show the report on its comparison. Return the exit code.

    one_of_several: whether its results are shown later, together with those of other studies.
    """
    done = pursue(course, conf, shown, policy, force=force, dry_run=dry_run, until=until, shard=shard, task=task)
    if done is None or task is not None:  # the command that submitted the tasks shows the outcome of all
        return 0 if done is None else done.code
    return _told(done, conf, shown, shard, one_of_several=one_of_several)


def _told(done: Done, conf: Sequence[Path], shown: Shown, shard: Shard | None, *, one_of_several: bool) -> int:
    """Show the report on a course if no other shard is missing; return the exit code."""
    from dropbench.cli.tuned import left_out

    if shard is not None and done.elsewhere and not shown.as_json:  # one shard alone would compare arbitrary arms
        tell_rest(shard, done, shown)
    elif not one_of_several:
        tell(done, conf, shown)
    shown.errors(left_out(done.kept, done.store))
    return done.code


def pursue(
    course: Course,
    conf: Sequence[Path],
    shown: Shown,
    policy: FailurePolicy = LENIENT,
    *,
    force: bool = False,
    dry_run: DryRun | None = None,
    until: float | None = None,
    shard: Shard | None = None,
    task: Task | None = None,
) -> Done | None:
    """Train what is left of a course, stage by stage.

    Parameters
    ----------
    course : Course
        Its results go to the folder that its settings name.
    conf : sequence of Path
        The user's folders of options, for the commands that a diagnosis proposes.
    shown : Shown
        Prints the progress.
    policy : FailurePolicy
        How to handle failed runs.
    force : bool
        Whether to train finished runs again.
    dry_run : DryRun or None
        If given, show cohorts and an estimate of the time, and stop before anything is trained or written.
    until : float or None
        When training is to end, by `time.monotonic`; runs that are in training then are saved.
    shard : Shard or None
        Which part of each stage to train; None: all of it.
    task : Task or None
        Which task of a job this command is; None: it trains by itself.

    Returns
    -------
    Done or None
        The outcome; None for a dry run.

    Raises
    ------
    UsageError
        For what cannot be trained, and for a plan that is for tasks of a cluster if this command would train it itself.
    """
    from dropbench.execute.agenda import marks
    from dropbench.planning.continuing import COMPARISON
    from dropbench.store import Store

    if task is None and not dry_run:
        trains_here(course.first)
    began = datetime.now(UTC).isoformat(timespec="seconds")
    again: set[str] = set()
    store = Store(course.first.settings.results, replacing=again)
    seen = Seen(store, force)
    stored: list[Stored] = []
    checks, programs = ({}, {}) if dry_run else _stated(course, shown, force=force, part=shard or task)
    while True:
        stages = course.stages(seen.ended)
        plan = stages[-1].plan
        mine = share(shard, stages, seen)
        specs = [s for s in mine if s.run_id not in seen.tried]
        again.update(s.run_id for s in specs if force)
        if course.rule is not None:
            first = [s.name for s in stages].count(COMPARISON) == 1
            shown.stage(stages[-1], course.tuned(seen.ended) if first else ())
        before = marks(plan.specs, store) if task is None else task.before
        left = _left(specs, plan, store, conf, shown, force=force, dry_run=dry_run)
        if shard is not None:
            tell_share(shard, mine, stages[-1], shown)
        if task is not None:
            left = replace(left, work=task.of_work(left.work, waits=bool(course.ahead(stages))))
        if dry_run:
            compared = plan if stages[-1].name == COMPARISON else course.ahead(stages)[-1][0]
            to_come = partial(rest, course, stages, None if force else store)
            show(dry_run, left.todo, left.work, (plan, compared), to_come, shown)
            tell_tasks(left.todo, plan, left.work, shown)
            return None
        # If nothing is left to train, a folder that cannot be written has its report all the same.
        with nullcontext() if left.todo or left.lost else suppress(UsageError):
            kept = as_stored(course, seen, began, over=False, shard=shard)
            store.write_plan(replace(kept, checks=checks, programs=programs))
        ended = _trained(left, plan, store, shown, policy, before, until)
        stored += ended
        seen.now(store.done(s.run_id for s in specs), [one.record.run_id for one in ended])
        known = course.stages(seen.ended)
        let_go(known, seen.ended, store)
        if policy.reached(failed_runs(stored)) or len(known) == len(stages):
            break
    shown.errors(f"{reason}; the runs that need it are left out" for reason in plan.unplanned)
    kept = replace(_as_it_ended(course, seen, began, task, shard), checks=checks, programs=programs)
    if kept.course is not None:  # store how far the course has come
        with nullcontext() if stored else suppress(UsageError):
            store.write_plan(kept)
    return Done(
        kept,
        plan,
        stored,
        store,
        elsewhere=seen.elsewhere(s.run_id for s in plan.specs),
        more=bool(course.ahead(course.stages(seen.ended))),
    )


def _as_it_ended(course: Course, seen: Seen, began: str, task: Task | None, shard: Shard | None) -> StoredPlan:
    """Return a course as this command leaves it, for the store. Its outcome is shown, unless it is a task: that is a look."""
    left = course if task is not None else looked_now(course, seen)
    return as_stored(left, seen, began, over=left.stages(seen.ended)[-1].done(seen.ended), shard=shard)


def _stated(
    course: Course, shown: Shown, *, force: bool, part: Shard | Task | None
) -> tuple[dict[str, StoredCheck], dict[str, StoredProgram]]:
    """Compute the checks and programs of a study. part: the shard or task; with one, programs are left to a later command."""
    pilot = course.rule.pilot if course.rule else []
    first = course.first
    if first.programs and part is not None:
        shown.note(
            "this command does not run the programs of the study; once all runs are in one folder, type it without --shard"
        )
        return computed(first.checks), {}
    results = first.settings.results
    return computed(first.checks), carried_out(first.programs, course.seeds, pilot, results, shown.note, force=force)


@dataclass(frozen=True)
class _Left:
    """The unfinished runs of a stage: those that cannot be trained, those that can, and the latter in cohorts."""

    lost: list[RunSpec]
    todo: list[RunSpec]
    work: Work


def _trained(
    left: _Left,
    plan: Plan,
    store: Store,
    shown: Shown,
    policy: FailurePolicy,
    before: Marks,
    until: float | None,
) -> list[Stored]:
    """Train what is left of a stage, as far as there is time, and print which runs failed. before: what was stored before."""
    from dropbench.execute.local import failed_when_planned

    stored = failed_when_planned(left.lost, plan.failed, plan.settings, left.work.device, store)
    if left.todo:
        work = left.work if until is None else within(left.work, until)
        stored += trained(plan, work, store, shown, policy, before)
    failed = [s for s in stored if s.record.status == "failed"]
    for one in failed:
        shown.error(f"run {one.record.run_id} failed: {one.record.reason}; see {one.folder / 'traceback.txt'}")
    in_time = until is not None and not policy.reached(len(failed))
    _summarise([*left.lost, *left.todo], stored, len(failed), store, shown, in_time=in_time, waits=left.work.waits)
    return stored


def _left(
    specs: Sequence[RunSpec],
    plan: Plan,
    store: Store,
    conf: Sequence[Path],
    shown: Shown,
    *,
    force: bool,
    dry_run: DryRun | None = None,
) -> _Left:
    """Return which of these runs are left to train, and print a summary of the plan."""
    from dropbench.execute.local import unfinished

    todo = unfinished(specs, store, conf, force=force)
    if not force:  # metrics that are asked for later are measured from weights, if runs kept them
        todo = left_to_train(todo, plan, store, shown, dry_run=dry_run is not None)
    _say_of_earlier(todo, store, shown, force=force)
    lost = [s for s in todo if s.run_id in plan.failed]
    todo = [s for s in todo if s.run_id not in plan.failed]
    work = arranged(todo, plan, trains=not dry_run)
    asked = {s.run_id for s in specs}
    elsewhere = [s.run_id for s in plan.specs if s.run_id not in asked]
    given_up = len(elsewhere) - len(store.done(elsewhere))
    shown.plan(plan, len(lost) + len(todo) + given_up)
    shown.warnings(plan)
    for note in work.notes:
        shown.note(note)
    return _Left(lost, todo, work)


def _say_of_earlier(todo: Sequence[RunSpec], store: Store, shown: Shown, *, force: bool) -> None:
    """Print what is already stored of the runs to train, or of their settings under other data or code."""
    from dropbench.execute.earlier import of_other_data

    for note in of_other_data(todo, store) if todo else ():
        shown.note(note)
    if again := len(store.done(s.run_id for s in todo)):
        why = "because of --force" if force else "because some metrics are missing"
        shown.note(f"{count(again, 'finished run')} trained again, {why}")


def _summarise(
    todo: Sequence[RunSpec],
    stored: Sequence[Stored],
    failed: int,
    store: Store,
    shown: Shown,
    *,
    in_time: bool,
    waits: bool,
) -> None:
    """Print what a report does not: who trained, and how many runs are left because too many failed or the time was over.

    waits: whether this command waited for runs that others train.
    """
    if elsewhere := sum(one.elsewhere for one in stored):
        here = len(stored) - elsewhere
        shown.note(f"{count(here, 'run')} trained here, {elsewhere} by other commands at the same time")
    ended = {one.record.run_id for one in stored}
    left = [s.run_id for s in todo if s.run_id not in ended]
    done = store.done(left)
    left = [run for run in left if run not in done]
    if not left:
        return
    are = f"{count(len(left), 'run')} {'is' if len(left) == 1 else 'are'} left"
    if not waits:
        shown.note(f"{are}, which other tasks train")
    elif in_time:
        from dropbench.store.checkpoints import Checkpoints

        saved = len(Checkpoints(store.root).latest().keys() & set(left))
        begun = f", of which {saved} in training {'is' if saved == 1 else 'are'} saved" if saved else ""
        shown.time_over(f"{are}{begun}")
    else:
        shown.error(
            f"stopped after {count(failed, 'failed run')}, as asked for: {are}; run the same command again to continue"
        )

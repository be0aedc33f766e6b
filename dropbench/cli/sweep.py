"""`dropbench sweep`: every run of a grid or a study, and then its report."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from dropbench.cli.checks import computed
from dropbench.cli.console import Shown
from dropbench.cli.measuring import left_to_train
from dropbench.cli.outcome import Done, failed_runs, tell
from dropbench.cli.programs import carried_out
from dropbench.cli.several_studies import carry_out_each, each_study
from dropbench.cli.sharding import share, tell_rest, tell_share
from dropbench.cli.stages import Rest, Seen, as_stored, let_go, looking, rest
from dropbench.cli.training import trained
from dropbench.cli.work import Work, arranged, within
from dropbench.config.sweeps import MOST_RUNS
from dropbench.errors import UsageError
from dropbench.execute.failure_policy import LENIENT, FailurePolicy
from dropbench.values import count

if TYPE_CHECKING:
    from dropbench.config.compose import Composer
    from dropbench.execute.agenda import Marks
    from dropbench.execute.local import Stored
    from dropbench.execute.shards import Shard
    from dropbench.planning.continuing import Course
    from dropbench.planning.plan import Plan
    from dropbench.spec import RunSpec
    from dropbench.store import Store, StoredCheck, StoredProgram


@dataclass(frozen=True)
class Going:
    """How a sweep goes on from what it finds: what was typed.

    tune: `key=value,value` each. until_settled, at_most, extend: see app.
    """

    tune: Sequence[str] = ()
    tuning_seeds: int | None = None
    until_settled: bool = False
    at_most: int | None = None
    extend: str | None = None


def sweep(
    overrides: Sequence[str],
    conf: Sequence[Path],
    going: Going,
    *,
    policy: FailurePolicy,
    force: bool,
    dry_run: bool,
    as_json: bool,
    quiet: bool,
    max_runs: int,
    max_minutes: float | None = None,
    shard: str | None = None,
) -> int:
    """Trains what is not finished yet, or says what that would be. Returns the exit code: 1 where a run failed.

    shard: which part of how many, as typed. Raises UsageError for what cannot be trained, for options that do not go together,
    and for more than `max_runs` runs.
    """
    until = ends_in(max_minutes)
    part = _part(shard)
    from dropbench.config.compose import composer

    shown = Shown(quiet, as_json)
    with composer(conf) as c:
        each = each_study(overrides, c)
        if len(each) == 1:
            course = asked_for(each[0], going, c, max_runs)
            return carry_out(course, conf, shown, policy, force=force, dry_run=dry_run, until=until, shard=part)
        return carry_out_each(
            each,
            lambda one: asked_for(one, going, c, max_runs),
            lambda course: carry_out(
                course,
                conf,
                shown,
                policy,
                force=force,
                dry_run=dry_run,
                until=until,
                shard=part,
                one_of_several=True,
            ),
            shown,
            dry_run=dry_run,
        )


def _part(shard: str | None) -> Shard | None:
    if shard is None:
        return None
    from dropbench.execute.shards import read

    return read(shard)


def ends_in(minutes: float | None) -> float | None:
    """When so many minutes are over, by `time.monotonic`."""
    return None if minutes is None else time.monotonic() + 60 * minutes


def asked_for(overrides: Sequence[str], going: Going, composer: Composer, max_runs: int = MOST_RUNS) -> Course:
    """The course of a sweep as it was typed, checked as a whole. Raises UsageError as `sweep` does."""
    from dropbench.cli import extending
    from dropbench.cli.study_contrasts import check
    from dropbench.planning.continuing import TUNING_SEEDS, course

    if going.extend is not None:
        as_typed = replace(going, extend=None)
        longer = asked_for(extending.extended(overrides, going.extend), as_typed, composer, max_runs)
        extending.check(longer, asked_for(overrides, as_typed, composer, max_runs))
        return longer
    if going.tuning_seeds is not None and not going.tune:
        raise UsageError("--tuning-seeds: nothing is tuned; say what to tune, as in --tune train.lr=3e-4,1e-3,3e-3")
    if going.at_most is not None and not going.until_settled:
        raise UsageError("--at-most is for a sweep that ends once it is settled; type --until-settled beside it")
    asked = course(
        overrides,
        composer,
        tune=going.tune,
        tuning_seeds=going.tuning_seeds or TUNING_SEEDS,
        looking=looking(going.at_most) if going.until_settled else None,
        most=max_runs,
    )
    check(asked.first)
    return asked


def carry_out(
    course: Course,
    conf: Sequence[Path],
    shown: Shown,
    policy: FailurePolicy = LENIENT,
    *,
    force: bool = False,
    dry_run: bool = False,
    until: float | None = None,
    shard: Shard | None = None,
    one_of_several: bool = False,
) -> int:
    """Trains what a course has left, as `pursue` does, and shows the report of its comparison. Returns the exit code.

    one_of_several: whether what it comes to is shown with that of other studies, later.
    """
    from dropbench.cli.tuned import left_out

    done = pursue(course, conf, shown, policy, force=force, dry_run=dry_run, until=until, shard=shard)
    if done is None:
        return 0
    if shard is not None and done.elsewhere and not shown.as_json:  # a report of a part would be of chance arms
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
    dry_run: bool = False,
    until: float | None = None,
    shard: Shard | None = None,
) -> Done | None:
    """Trains what a course has left, stage by stage.

    Parameters
    ----------
    course : Course
        Its results go to the folder that its settings name.
    conf : sequence of Path
        The user's folders of options, for the commands that a diagnosis proposes.
    shown : Shown
        What hears how it goes.
    policy : FailurePolicy
        How failed runs are met.
    force : bool
        Whether what is finished is trained again.
    dry_run : bool
        Whether to stop before anything trains or is written, and to show cohorts and an estimate of the time.
    until : float or None
        When training is to be over, by `time.monotonic`: what is underway then is saved.
    shard : Shard or None
        Which part of each stage is trained; None: all of it.

    Returns
    -------
    Done or None
        What came of it; None of a dry run.
    """
    from dropbench.execute.agenda import marks
    from dropbench.planning.continuing import COMPARISON
    from dropbench.store import Store

    began = datetime.now(UTC).isoformat(timespec="seconds")
    again: set[str] = set()
    store = Store(course.first.settings.results, replacing=again)
    seen = Seen(store, force)
    stored: list[Stored] = []
    checks, programs = ({}, {}) if dry_run else _stated(course, shown, force=force, whole=shard is None)
    while True:
        stages = course.stages(seen.ended)
        plan = stages[-1].plan
        mine = share(shard, stages, seen)
        specs = [s for s in mine if s.run_id not in seen.tried]
        again.update(s.run_id for s in specs if force)
        if course.rule is not None:
            first = [s.name for s in stages].count(COMPARISON) == 1
            shown.stage(stages[-1], course.tuned(seen.ended) if first else ())
        before = marks(plan.specs, store)
        left = _left(specs, plan, store, conf, shown, force=force, dry_run=dry_run)
        if shard is not None:
            tell_share(shard, mine, stages[-1], shown)
        if dry_run:
            compared = plan if stages[-1].name == COMPARISON else course.ahead(stages)[-1][0]
            _dry_run(left, plan, compared, rest(course, stages, None if force else store), shown)
            return None
        store.write_plan(replace(as_stored(course, seen, began, over=False), checks=checks, programs=programs))
        ended = _trained(left, plan, store, shown, policy, before, until)
        stored += ended
        seen.now(store.done(s.run_id for s in specs), [one.record.run_id for one in ended])
        known = course.stages(seen.ended)
        let_go(known, seen.ended, store)
        if policy.reached(failed_runs(stored)) or len(known) == len(stages):
            break
    shown.errors(f"{reason}; what was asked for of it is not among the runs" for reason in plan.unplanned)
    kept = replace(as_stored(course, seen, began, over=stages[-1].done(seen.ended)), checks=checks, programs=programs)
    if kept.course is not None:  # how far it has come
        store.write_plan(kept)
    return Done(kept, plan, stored, store, elsewhere=seen.elsewhere(s.run_id for s in plan.specs))


def _stated(
    course: Course, shown: Shown, *, force: bool, whole: bool
) -> tuple[dict[str, StoredCheck], dict[str, StoredProgram]]:
    """What a study states beside its arms, computed. whole: not of one part of its runs, each of which would compute all."""
    pilot = course.rule.pilot if course.rule else []
    first = course.first
    if first.programs and not whole:
        shown.note(
            "the programs of the study are left to the same command without --shard, once all runs are in one folder"
        )
        return computed(first.checks), {}
    results = first.settings.results
    return computed(first.checks), carried_out(first.programs, course.seeds, pilot, results, shown.note, force=force)


@dataclass(frozen=True)
class _Left:
    """Of the runs of a stage those that cannot be trained, those that are to be, and these in cohorts."""

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
    """Trains what is left of a stage, as far as there is time; what failed is told. before: what was stored till then."""
    from dropbench.execute.local import failed_when_planned

    stored = failed_when_planned(left.lost, plan.failed, plan.settings, left.work.device, store)
    if left.todo:
        work = left.work if until is None else within(left.work, until)
        stored += trained(plan, work, store, shown, policy, before)
    failed = [s for s in stored if s.record.status == "failed"]
    for one in failed:
        shown.error(f"run {one.record.run_id} failed: {one.record.reason}; see {one.folder / 'traceback.txt'}")
    in_time = until is not None and not policy.reached(len(failed))
    _summarise([*left.lost, *left.todo], stored, len(failed), store, shown, in_time=in_time)
    return stored


def _left(
    specs: Sequence[RunSpec],
    plan: Plan,
    store: Store,
    conf: Sequence[Path],
    shown: Shown,
    *,
    force: bool,
    dry_run: bool = False,
) -> _Left:
    """What is left of these runs of a plan; tells of the plan."""
    from dropbench.execute.local import unfinished

    todo = unfinished(specs, store, conf, force=force)
    if not force:  # what is asked later is measured from weights, where runs kept them
        todo = left_to_train(todo, plan, store, shown, dry_run=dry_run)
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


def _dry_run(left: _Left, plan: Plan, compared: Plan, to_come: Rest | None, shown: Shown) -> None:
    """What the next stage would take, between what and what the rest, and what the comparison in the end could find."""
    from dropbench.cli.design import design
    from dropbench.execute.checkpoint import trained_share
    from dropbench.execute.estimate import Durations, estimate

    for reason in dict.fromkeys((*plan.unplanned, *plan.failed.values())):
        shown.warning(reason)
    durations = Durations(left.work.settings, left.work.device)
    trained = trained_share(left.todo, left.work.settings, left.work.device)
    seconds = estimate(left.work.cohorts, durations, left.work.workers, trained) if left.todo else 0.0
    shown.dry_run(plan, left.todo, left.work, seconds, to_come, design(compared) if left.todo else None)


def _say_of_earlier(todo: Sequence[RunSpec], store: Store, shown: Shown, *, force: bool) -> None:
    """What is stored already of what is to be trained, or of its settings."""
    from dropbench.execute.earlier import of_other_data

    for note in of_other_data(todo, store) if todo else ():
        shown.note(note)
    if again := len(store.done(s.run_id for s in todo)):
        why = "as --force says" if force else "measured less than is asked for"
        shown.note(f"{count(again, 'finished run')} {why}: trained again")


def _summarise(
    todo: Sequence[RunSpec], stored: Sequence[Stored], failed: int, store: Store, shown: Shown, *, in_time: bool
) -> None:
    """What a report does not tell: who trained, and what was left since too many runs had failed or the time was over."""
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
    if in_time:
        from dropbench.store.checkpoints import Checkpoints

        saved = len(Checkpoints(store.root).latest().keys() & set(left))
        begun = f", of which {saved} in training {'is' if saved == 1 else 'are'} saved" if saved else ""
        shown.warning(f"stopped in time, as asked for: {are}{begun}; the same command goes on")
    else:
        shown.error(f"stopped after {count(failed, 'failed run')}, as asked for: {are}, and the same command goes on")

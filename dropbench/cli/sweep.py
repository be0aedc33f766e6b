"""`dropbench sweep`: every run of a grid or a study, and then its report."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dropbench.cli.console import Shown
from dropbench.cli.measuring import left_to_train
from dropbench.cli.training import trained
from dropbench.cli.work import Work, arranged, within
from dropbench.execute.failure_policy import LENIENT, FailurePolicy
from dropbench.values import count

if TYPE_CHECKING:
    from dropbench.execute.local import Stored
    from dropbench.planning.plan import Plan
    from dropbench.spec import RunSpec
    from dropbench.store import Store


def sweep(
    overrides: Sequence[str],
    conf: Sequence[Path],
    *,
    policy: FailurePolicy,
    force: bool,
    dry_run: bool,
    as_json: bool,
    quiet: bool,
    max_runs: int,
    max_minutes: float | None = None,
) -> int:
    """Trains what is not finished yet, or says what that would be. Returns the exit code: 1 where a run failed.

    Raises UsageError for what cannot be trained, and for more than `max_runs` runs.
    """
    until = None if max_minutes is None else time.monotonic() + 60 * max_minutes
    from dropbench.config.compose import composer
    from dropbench.planning.plan import make

    with composer(conf) as c:
        plan = make(overrides, c, max_runs)
    return carry_out(plan, conf, Shown(quiet, as_json), policy, force=force, dry_run=dry_run, until=until)


def carry_out(
    plan: Plan,
    conf: Sequence[Path],
    shown: Shown,
    policy: FailurePolicy = LENIENT,
    *,
    force: bool = False,
    dry_run: bool = False,
    until: float | None = None,
) -> int:
    """Trains what a plan has left and shows the report of all of it. Returns the exit code: 1 where a run failed.

    Parameters
    ----------
    plan : Plan
        Its results go to the folder that its settings name.
    conf : sequence of Path
        The user's folders of options, for the commands that a diagnosis proposes.
    shown : Shown
        Where the report goes, and whether as JSON.
    policy : FailurePolicy
        How failed runs are met.
    force : bool
        Whether what is finished is trained again.
    dry_run : bool
        Whether to stop before anything trains or is written, and to show cohorts and an estimate of the time.
    until : float or None
        When training is to be over, by `time.monotonic`: what is underway then is saved.
    """
    from dropbench.execute.agenda import marks
    from dropbench.execute.local import failed_when_planned, unfinished
    from dropbench.store import Store

    store = Store(plan.settings.results, replacing=[s.run_id for s in plan.specs] if force else ())
    before = marks(plan.specs, store)
    todo = unfinished(plan.specs, store, conf, force=force)
    if not force:  # what is asked later is measured from weights, where runs kept them
        todo = left_to_train(todo, plan, store, shown, dry_run=dry_run)
    _say_of_earlier(todo, store, shown, force=force)
    lost = [s for s in todo if s.run_id in plan.failed]
    todo = [s for s in todo if s.run_id not in plan.failed]
    work = arranged(todo, plan)
    shown.plan(plan, len(lost) + len(todo))
    shown.warnings(plan)
    if dry_run:
        _dry_run(plan, todo, work, shown)
        return 0
    store.write_plan(_as_stored(plan))
    if todo and until is not None:
        work = within(work, plan, until)
    stored = failed_when_planned(lost, plan.failed, plan.settings, work.device, store)
    stored += trained(plan, work, store, shown, policy, before) if todo else []
    failed = [s for s in stored if s.record.status == "failed"]
    for reason in plan.unplanned:
        shown.error(f"{reason}; what was asked for of it is not among the runs")
    for one in failed:
        shown.error(f"run {one.record.run_id} failed: {one.record.reason}; see {one.folder / 'traceback.txt'}")
    _summarise(
        [*lost, *todo], stored, len(failed), store, shown, in_time=until is not None and not _too_many(failed, policy)
    )
    if shown.as_json:
        shown.json({"plan_id": plan.plan_id, "runs": [s.run_id for s in plan.specs], **_outcome(plan, stored, store)})
    elif not shown.quiet:
        _show_report(plan, store, conf, shown)
    if shown.as_json or shown.quiet:
        _warn_of_divergence(plan, store, shown)
    return 1 if failed or plan.unplanned else 0


def _dry_run(plan: Plan, todo: Sequence[RunSpec], work: Work, shown: Shown) -> None:
    from dropbench.execute.estimate import Durations, estimate

    for reason in dict.fromkeys((*plan.unplanned, *plan.failed.values())):
        shown.warning(reason)
    seconds = estimate(work.cohorts, Durations(plan.settings, work.device), work.workers) if todo else 0.0
    shown.dry_run(plan, todo, work, seconds)


def _say_of_earlier(todo: Sequence[RunSpec], store: Store, shown: Shown, *, force: bool) -> None:
    """What is stored already of what is to be trained, or of its settings."""
    from dropbench.execute.earlier import of_other_data

    for note in of_other_data(todo, store) if todo else ():
        shown.note(note)
    if again := sum(store.is_done(s.run_id) for s in todo):
        why = "as --force says" if force else "measured less than is asked for"
        shown.note(f"{count(again, 'finished run')} {why}: trained again")


def _warn_of_divergence(plan: Plan, store: Store, shown: Shown) -> None:
    """What the report would open with: told where nobody sees it, since the exit code does not say that all was in vain."""
    if not any(
        record and record.status == "diverged" for record in map(store.finished, (s.run_id for s in plan.specs))
    ):
        return  # without pandas
    from dropbench.report import for_plan

    for headline in for_plan(store, _as_stored(plan)).headlines:
        shown.warning(headline)


def _too_many(failed: Sequence[Stored], policy: FailurePolicy) -> bool:
    return policy.max_failures is not None and len(failed) >= policy.max_failures


def _summarise(
    todo: Sequence[RunSpec], stored: Sequence[Stored], failed: int, store: Store, shown: Shown, *, in_time: bool
) -> None:
    """What a report does not tell: who trained, and what was left since too many runs had failed or the time was over."""
    if elsewhere := sum(one.elsewhere for one in stored):
        here = len(stored) - elsewhere
        shown.note(f"{count(here, 'run')} trained here, {elsewhere} by other commands at the same time")
    ended = {one.record.run_id for one in stored}
    left = [s.run_id for s in todo if s.run_id not in ended and not store.is_done(s.run_id)]
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


def _show_report(plan: Plan, store: Store, conf: Sequence[Path], shown: Shown) -> None:
    from dropbench.cli.proposals import with_commands
    from dropbench.report import for_plan, show

    built = for_plan(store, _as_stored(plan))
    show(with_commands(built, [store.root], conf), shown.console)


def _as_stored(plan: Plan) -> Any:
    from dropbench import store

    return store.StoredPlan(
        plan_id=plan.plan_id,
        study=plan.study,
        question=plan.question,
        baseline=plan.baseline,
        arms=plan.arms,
        overrides=list(plan.overrides),
        runs=[s.run_id for s in plan.specs],
        tables=plan.tables,
        created=datetime.now(UTC).isoformat(timespec="seconds"),
    )


def _outcome(plan: Plan, stored: Sequence[Stored], store: Store) -> dict[str, Any]:
    """How the runs ended, for JSON, and how many of them this command has trained."""
    from dropbench.store import Record

    records = [r for s in plan.specs if isinstance(r := store.find(s.run_id), Record)]
    statuses = [r.status for r in records]
    return {
        **{status: statuses.count(status) for status in ("completed", "diverged", "failed")},
        "trained": sum(not one.elsewhere for one in stored),
        "skipped": [*plan.skipped, *plan.unplanned],
        "results": str(store.root),
        "records": [asdict(r) for r in records],
    }

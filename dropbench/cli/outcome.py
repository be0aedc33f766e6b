"""Prints the outcome of a sweep: its report and the claims of its study, or both as JSON."""

from __future__ import annotations

import os
import shlex
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dropbench.cli.console import Shown
from dropbench.cli.stages import told
from dropbench.values import count, spans

if TYPE_CHECKING:
    from dropbench.execute.local import Stored
    from dropbench.planning.plan import Plan
    from dropbench.report.tables.report import Report
    from dropbench.store import Store, StoredPlan


@dataclass(frozen=True)
class Done:
    """The outcome of a course, as far as it was carried out.

    Parameters
    ----------
    kept : StoredPlan
        The course as it is stored.
    plan : Plan
        The plan of its last stage.
    stored : sequence of Stored
        The runs that ended during this command.
    store : Store
        The results folder that holds them.
    elsewhere : int
        How many runs are left to other machines.
    failed : int
        How many runs that cluster tasks trained for this command failed or are missing.
    more : bool
        Whether another stage may follow, depending on the results of this one.
    """

    kept: StoredPlan
    plan: Plan
    stored: Sequence[Stored]
    store: Store
    elsewhere: int = 0
    failed: int = 0
    more: bool = False

    @property
    def code(self) -> int:
        """The exit code: 1 if a run failed or could not be planned."""
        return 1 if failed_runs(self.stored) or self.failed or self.plan.unplanned else 0


def failed_runs(stored: Sequence[Stored]) -> int:
    """Count the runs that failed."""
    return sum(one.record.status == "failed" for one in stored)


def tell(done: Done, conf: Sequence[Path], shown: Shown) -> None:
    """Print the report on what a course compares, or its outcome as JSON."""
    kept, store = done.kept, done.store
    if shown.as_json:
        stages = {"stages": told(kept)} if kept.course else {}
        runs = [s.run_id for s in done.plan.specs]
        shown.json({"plan_id": kept.plan_id, "runs": runs, **stages, **_outcome(done.plan, done.stored, store)})
    elif not kept.runs:
        if untold := nothing_yet(kept):
            shown.warning(untold)
    elif not shown.quiet:
        _show_report(kept, store, conf, shown)
    if shown.as_json or shown.quiet:
        _warn_of_divergence(kept, store, shown)


def nothing_yet(kept: StoredPlan) -> str | None:
    """Return why a course has nothing to compare while its tuning goes on; None if it has, or if another message says why."""
    if kept.runs or (kept.course is not None and kept.course.tuned):
        return None
    return "there is nothing to compare before the tuning is finished; run the same command again to continue it"


def _warn_of_divergence(kept: StoredPlan, store: Store, shown: Shown) -> None:
    """Print the report's headlines as warnings if a run diverged, because neither the exit code nor a report shows that."""
    if not any(record and record.status == "diverged" for record in map(store.finished, kept.runs)):
        return  # before pandas is imported
    from dropbench.report import for_plan

    for headline in for_plan(store, kept).headlines:
        shown.warning(headline)


def _show_report(kept: StoredPlan, store: Store, conf: Sequence[Path], shown: Shown) -> None:
    from dropbench.report import claims, show

    show(compared(kept, store, conf), shown.console)
    if kept.claims or kept.checks or kept.programs:
        show(claims([store.root], [f"study={kept.study}"]), shown.console)
    shown.note(_closing(kept, store))
    if more := _more_seeds(kept, store):
        shown.note(more)


def _more_seeds(kept: StoredPlan, store: Store) -> str | None:
    """Return a line on stored runs that belong to the answer and that this sweep did not compare; None if there are none.

    A diagnosis proposes more seeds, or another arm, as a sweep of these alone, and its answer is in the report on all of them.
    """
    if kept.course is not None:  # it has other seeds on purpose, or looks of its own
        return None
    from dropbench.store import RUNS

    report = f"dropbench report {shlex.quote(str(store.root))}"
    mine = [r for run in kept.every_run if (r := store.finished(run)) is not None]
    arms, seeds = {r.arm_id for r in mine}, {r.seed for r in mine}
    if len(arms) == 1 and len(os.listdir(store.root / RUNS)) > len(mine):
        return f"to compare it with the other runs that are stored: {report}"
    apart = {run for plan in store.plans() if plan.course is not None for run in plan.trained}
    stored = store.of_settings({r.setting_id for r in mine}, {*kept.every_run, *apart})
    both = Counter(r.seed for r in stored if r.arm_id in arms and r.seed not in seeds)
    more = [seed for seed, n in both.items() if n > 1]  # of a single arm they would compare nothing
    if not more:
        return None
    return (
        f"seeds {spans(more)} of these arms are stored too, and are not in the report above; to compare all: {report}"
    )


def _closing(kept: StoredPlan, store: Store) -> str:
    """Return a line on how the runs of a plan ended, where they are, and how to see their page."""
    from dropbench.store import Record

    ended = Counter(
        record.status for run in kept.every_run if (record := store.find(run)) and isinstance(record, Record)
    )
    told = [f"{count(ended['completed'], 'run')} done"]
    told += [f"{ended[status]} {status}" for status in ("diverged", "failed") if ended[status]]
    study = f" study={kept.study}" if kept.study else ""
    return f"{', '.join(told)}, in {store.root}; to see the page: dropbench ui {shlex.quote(str(store.root))}{study}"


def compared(kept: StoredPlan, store: Store, conf: Sequence[Path]) -> Report:
    """Return the report on what a stored plan compares, with the commands for what it proposes."""
    from dropbench.cli.proposals import with_commands
    from dropbench.report import for_plan

    return with_commands(for_plan(store, kept), [store.root], conf, confirm=_confirming(kept, store, conf))


def _confirming(kept: StoredPlan, store: Store, conf: Sequence[Path]) -> str | None:
    """Return the command that trains under fresh seeds what this plan chose, and no more; None if there is no such command."""
    from dropbench.config.typed import words_of

    asking = {p.plan_id for p in store.plans() if p.course is None or not p.course.rule.confirms}
    if kept.study is None and asking != {kept.plan_id}:
        return None
    of = [str(store.root)] if str(store.root) != "results" else []
    of += [f"study={kept.study}"] if kept.study is not None else []
    return shlex.join(["dropbench", "report", *of, *words_of("--conf", conf), "--confirm"])


def _outcome(plan: Plan, stored: Sequence[Stored], store: Store) -> dict[str, Any]:
    """Return, for JSON, how the runs ended and how many of them this command trained."""
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

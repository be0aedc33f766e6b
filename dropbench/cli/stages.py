"""The stages of a course: when a comparison is settled, how a course is stored, and what is still to come."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any

from dropbench.cli.work import arranged
from dropbench.store import FINISHED

if TYPE_CHECKING:
    from dropbench.planning.continuing import Course, Looking, Stage
    from dropbench.planning.plan import Plan
    from dropbench.planning.tuning import Find
    from dropbench.store import Record, Store, StoredPlan


@dataclass(frozen=True)
class Rest:
    """What may come after a stage: the fewest and the most runs, and the seconds that they would take."""

    runs: tuple[int, int]
    seconds: tuple[float, float]


class Seen:
    """The outcomes of runs, as stored and as they count for this command.

    Parameters
    ----------
    store : Store
        Holds their records.
    force : bool
        Whether a stored run counts only once this command has trained it again.
    """

    def __init__(self, store: Store, force: bool) -> None:
        self._store, self._force = store, force
        self.tried: set[str] = set()
        """The runs that this command has trained, whether or not they failed, or found finished."""
        self._left: set[str] = set()
        """The runs that other machines train."""
        self._finished: dict[str, Record] = {}
        """A cache of finished records: stages ask for them again and again, and they no longer change."""

    def now(self, *runs: Iterable[str]) -> None:
        """Record runs that have been tried."""
        self.tried.update(*runs)

    def leave(self, runs: Iterable[str]) -> None:
        """Record runs that other machines train: each has ended once its record is here, whatever its status."""
        self._left.update(runs)

    def ended(self, run: str) -> Record | None:
        """Return the record of a run if it has ended. A run that failed under an earlier command has not: it is tried again."""
        if run in self._finished:
            return self._finished[run]
        counts = run in self.tried or run in self._left or (not self._force and self._store.is_done(run))
        record = self._found(run) if counts else None
        if record is not None and record.status in FINISHED:
            self._finished[run] = record
        return record

    def known(self, run: str) -> Record | None:
        """Return the same, or the record of an earlier failure, so that a stored comparison stays while runs are retried."""
        return self.ended(run) or (None if self._force else self._found(run))

    def elsewhere(self, runs: Iterable[str]) -> int:
        """Count the runs that other machines train and whose records are not here yet."""
        return sum(run in self._left and self.ended(run) is None for run in runs)

    def _found(self, run: str) -> Record | None:
        from dropbench.store import Record

        record = self._store.find(run)
        return record if isinstance(record, Record) else None


def looking(at_most: int | None) -> Looking:
    """Return the rule of repeated looks: after how many seeds a comparison is judged, and by which verdicts it ends early."""
    from dropbench.planning.continuing import Looking
    from dropbench.report.statistics.looks import looks

    known: dict[tuple[str, int], bool] = {}

    def settled(plan: Plan, look: int, of: tuple[int, ...]) -> bool:
        if (plan.plan_id, look) not in known:
            known[plan.plan_id, look] = _settled(plan, look, of)
        return known[plan.plan_id, look]

    return Looking(at_most, looks, settled)


def _settled(plan: Plan, look: int, of: tuple[int, ...]) -> bool:
    """Return whether the report on these runs confirms a verdict on every arm, at the level of this look."""
    from dropbench.report import for_plan
    from dropbench.store import Course as StoredCourse
    from dropbench.store import Rule, Store, StoredStage

    runs = [s.run_id for s in plan.specs]
    taken = [StoredStage(name="comparison", runs=runs)] * (look + 1)
    kept = replace(_compared(plan, ""), course=StoredCourse(rule=Rule(looks=list(of)), stages=taken))
    report = for_plan(Store(plan.settings.results), kept)
    contrasts = [c for comparison in report.comparisons for c in comparison.verdicts.values()]
    return bool(contrasts) and all(c.confirmed for c in contrasts)


def as_stored(course: Course, seen: Seen, began: str, *, over: bool) -> StoredPlan:
    """Return a course as far as it is known, for `Store.write_plan`. It compares its last stage, if that is a comparison.

    began: when the command was started, ISO 8601, UTC. over: whether no run of the last stage is to be tried again.
    """
    from dropbench import store
    from dropbench.planning.continuing import COMPARISON

    stages = course.stages(seen.known)
    kept = _compared(stages[-1].plan, began)
    if course.rule is None:
        return kept
    going = store.Course(
        rule=course.rule,
        stages=[store.StoredStage(name=s.name, runs=[spec.run_id for spec in s.plan.specs]) for s in stages],
        tuned=course.tuned(seen.known),
        ended=over and stages[-1].done(seen.known),
    )
    kept = replace(kept, plan_id=course.plan_id, course=going)
    return kept if stages[-1].name == COMPARISON else replace(kept, arms={}, tables={}, runs=[])


def let_go(stages: Sequence[Stage], ended: Find, store: Store) -> None:
    """Remove checkpoints of a search that no run will continue from, because its runs were given up or the search is over."""
    from dropbench.planning.continuing import TUNING
    from dropbench.store.checkpoints import RUNGS, Checkpoints

    known = {s.to_the_end.run_id for stage in stages if stage.name == TUNING for s in stage.plan.specs}
    now = stages[-1]
    needed = {s.to_the_end.run_id for s in now.plan.specs} if now.name == TUNING and not now.done(ended) else set()
    Checkpoints(store.root, RUNGS).sweep(lambda run: run in known - needed)


def _compared(plan: Plan, began: str) -> StoredPlan:
    """Return a plan in its stored form, without a course; all of its runs are compared."""
    from dropbench.store import StoredClaim, StoredPlan

    return StoredPlan(
        plan_id=plan.plan_id,
        study=plan.study,
        question=plan.question,
        baseline=plan.baseline,
        arms=plan.arms,
        overrides=list(plan.overrides),
        runs=[s.run_id for s in plan.specs],
        tables=plan.tables,
        outcomes=list(plan.outcomes),
        contrasts=dict(plan.contrasts),
        claims={name: StoredClaim(**claim.model_dump()) for name, claim in plan.claims.items()},
        created=began,
        data_notes=list(plan.data_notes),
    )


def told(kept: StoredPlan) -> list[dict[str, Any]]:
    """Return the stages for JSON: the name and runs of each, and what the tuning found."""
    if kept.course is None:
        return []
    stages = [asdict(stage) for stage in kept.course.stages]
    for stage in stages:
        if stage["name"] == "tuning":
            stage["found"] = [asdict(tuned) for tuned in kept.course.tuned]
    return stages


def rest(course: Course, stages: Sequence[Stage], store: Store | None) -> Rest | None:
    """Return what may come after the last of these stages; None if nothing does.

    store: runs that are finished there are not counted; None counts all, because they would be trained again.
    """
    from dropbench.execute.estimate import Durations, estimate

    runs, seconds = [], []
    for plan, specs in course.ahead(stages):
        done = {} if store is None else store.done(s.run_id for s in specs)
        left = [s for s in specs if s.run_id not in done]
        work = arranged(left, plan)
        runs.append(len(left))
        seconds.append(estimate(work.cohorts, Durations(work.settings, work.device), work.workers) if left else 0.0)
    return Rest((min(runs), max(runs)), (min(seconds), max(seconds))) if runs else None

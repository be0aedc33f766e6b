"""The stages of a course: when a comparison is settled, how a course is stored, and what is still to come."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass, replace
from itertools import takewhile
from typing import TYPE_CHECKING, Any

from dropbench.cli.work import arranged
from dropbench.store import FINISHED

if TYPE_CHECKING:
    from dropbench.execute.shards import Shard
    from dropbench.planning.continuing import Course, Looking, Stage
    from dropbench.planning.plan import Plan
    from dropbench.planning.tuning import Find
    from dropbench.report.statistics.contrast import Contrast
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


def confirmed(contrasts: Sequence[Contrast]) -> bool:
    """Return whether every arm has a confirmed verdict."""
    return bool(contrasts) and all(c.confirmed for c in contrasts)


def answered(contrasts: Sequence[Contrast]) -> bool:
    """Return whether the advice is certain: every arm has a confirmed verdict, or none can be better by what matters.

    Whether an arm that is not to be used is worse or makes no difference would take more seeds, and nobody asked.
    """
    return confirmed(contrasts) or (bool(contrasts) and all(c.not_better for c in contrasts))


def looking(at_most: int | None, enough: Callable[[Sequence[Contrast]], bool] = confirmed) -> Looking:
    """Return the rule of repeated looks: after how many seeds a comparison is judged, and by which verdicts it ends early.

    enough: returns whether the verdicts of all arms are enough to end; levels are those of all looks whatever it returns.
    """
    from dropbench.planning.continuing import Looking
    from dropbench.report.statistics.looks import looks

    known: dict[tuple[str, tuple[int, ...]], bool] = {}

    def settled(plan: Plan, look: int, of: tuple[int, ...]) -> bool:
        key = plan.plan_id, of[: look + 1]
        if key not in known:
            known[key] = enough(_verdicts(plan, look, of))
        return known[key]

    return Looking(at_most, looks, settled)


def _verdicts(plan: Plan, look: int, of: tuple[int, ...]) -> list[Contrast]:
    """Return the verdicts of the report on these runs, at the level of this look."""
    from dropbench.report import for_plan
    from dropbench.store import Course as StoredCourse
    from dropbench.store import Rule, Store

    taken = StoredCourse(rule=Rule(looks=list(of)), stages=[], looked=list(of[: look + 1]))
    kept = replace(_compared(plan, ""), course=taken)
    report = for_plan(Store(plan.settings.results), kept)
    return [c for comparison in report.comparisons for c in comparison.verdicts.values()]


def resumed(course: Course) -> Course:
    """Return the course with the looks between planned ones that its stored plan knows of."""
    from dropbench.store import Store

    if not course.looks:
        return course
    known = (p.course for p in Store(course.first.settings.results).plans() if p.plan_id == course.plan_id)
    stored = next((one for one in known if one is not None and one.looked), None)
    return course if stored is None else replace(course, unplanned=tuple({*stored.looks} - {*course.looks}))


def looked_now(course: Course, seen: Seen) -> Course:
    """Return the course with a look at the seeds that all arms have by now, if it is stopped between two of its looks.

    With fewer seeds than any verdict needs it is no look, nor if runs of other machines are missing: then nothing is shown.
    """
    from dropbench.planning.continuing import COMPARISON
    from dropbench.report.statistics.interval import MIN_PAIRS

    if not course.looks:
        return course
    last = course.stages(seen.known)[-1]
    if seen.elsewhere(s.run_id for s in last.plan.specs):
        return course
    left = {s.seed for s in last.plan.specs if seen.known(s.run_id) is None}
    n = sum(1 for _ in takewhile(lambda seed: seed not in left, course.seeds))
    new = last.name == COMPARISON and bool(left) and n >= MIN_PAIRS and n not in course.every_look
    return replace(course, unplanned=(*course.unplanned, n)) if new else course


def as_stored(course: Course, seen: Seen, began: str, *, over: bool, shard: Shard | None = None) -> StoredPlan:
    """Return a course as far as it is known, for `Store.write_plan`.

    It compares the runs of its last look, so that a report which is read while later ones are trained is no look. Before the
    first look it compares the runs of its last stage, if that is a comparison.

    began: when the command was started, ISO 8601, UTC. over: whether no run of the last stage is to be tried again. shard: the
    part of it that is trained here; None: all of it.
    """
    from dropbench import store
    from dropbench.planning.continuing import COMPARISON

    stages = course.stages(seen.known)
    comparisons = [s for s in stages if s.name == COMPARISON]
    ended = [s for s in comparisons if s.done(seen.known)]
    kept = replace(_compared((ended or stages)[-1].plan, began), shard=None if shard is None else str(shard))
    if course.rule is None:
        return kept
    looks = course.every_look or (len(course.seeds),)
    # The next stage has the runs of a look between planned ones too.
    within = [s for s, n in zip(comparisons, looks, strict=False) if n not in course.looks and s is not stages[-1]]
    going = store.Course(
        rule=course.rule,
        stages=[
            store.StoredStage(name=s.name, runs=[spec.run_id for spec in s.plan.specs])
            for s in stages
            if s not in within
        ],
        tuned=course.tuned(seen.known),
        ended=over and stages[-1].done(seen.known),
        looked=list(course.every_look[: len(ended)]),
    )
    kept = replace(kept, plan_id=course.plan_id, course=going)
    return kept if comparisons else replace(kept, arms={}, tables={}, runs=[])


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

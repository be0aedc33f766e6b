"""From folders to a Report: gather the runs, split them into comparisons or grids, and note what a reader must know."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from dropbench.errors import UsageError, nearest
from dropbench.report.compared import compare, labelled
from dropbench.report.gathered import Gathered, gather, said_of, unfiltered, with_asked, with_data
from dropbench.report.records.load import from_store, keep_known
from dropbench.report.tables import courses, population
from dropbench.report.tables.arms import Arm, find, quiet
from dropbench.report.tables.asked import Questions, about_runs, ask
from dropbench.report.tables.binding import NoArm
from dropbench.report.tables.comparison import Comparison
from dropbench.report.tables.contexts import with_contexts
from dropbench.report.tables.grids import grids
from dropbench.report.tables.headline import headline
from dropbench.report.tables.notes import runs as runs_noted
from dropbench.report.tables.planned import named, with_names
from dropbench.report.tables.repeats import without_repeats
from dropbench.report.tables.report import Report
from dropbench.store import Store, StoredPlan
from dropbench.values import plain


def build(
    paths: Sequence[Path],
    filters: Sequence[str] = (),
    baseline: str | None = None,
    *,
    where: Sequence[str] = (),
    metric: str | None = None,
    rope: str | None = None,
    about: str | None = None,
) -> Report:
    """Build a report on what is stored.

    Parameters
    ----------
    paths : sequence
        Results folders or single run folders.
    filters : sequence
        Each is `key=value[,value...]`.
    baseline : str or None
        An arm's label or name in its plan. None takes the study's baseline, else `none`, else an arm at rate 0, else the only
        arm whose rate stays constant.
    where : sequence
        Conditions such as `data.n_train<=1000`.
    metric : str or None
        The measure that verdicts judge, such as `loss` (of the test split) or `val_loss`. None takes accuracy if it was
        measured, else loss.
    rope : str or None
        Half the width of the region of practical equivalence: `0.2pp`, `0.01` or `1%`. None takes what the metric declares.
    about : str or None
        `examples` (or None): answers hold for new examples like those tested. `pool`: they hold for the tested examples alone.

    Raises
    ------
    UsageError
        For a path without results, a filter that can match nothing, and an unknown baseline, metric or `about`.
    """
    beyond = _beyond(about)
    gathered, metric = with_asked(gather(paths, filters, where), metric)
    frame, split = with_contexts(gathered.frame, gathered.report.plans)
    gathered = replace(gathered, report=replace(gathered.report, notes=(*gathered.report.notes, *split)), frame=frame)
    if baseline:
        gathered = replace(gathered, baselines=(baseline,), of_tables={})
    report = _compared(gathered, metric, rope, beyond)
    if baseline and not any(find(c.arms, baseline) for c in report.comparisons):
        raise _unknown_baseline(baseline, [a for c in report.comparisons for a in c.arms], gathered.known)
    return report


def _beyond(about: str | None) -> bool:
    """Return whether answers hold beyond the tested examples. Raises UsageError for an unknown `about`."""
    if about not in (None, *population.ABOUT):
        raise UsageError(f"--about {about}: there is no such population; {nearest(str(about), population.ABOUT)}")
    return about != population.POOL


def _unknown_baseline(baseline: str, arms: Sequence[Arm], plans: Sequence[StoredPlan]) -> UsageError:
    valid = [name for a in arms for name in (a.label, *a.names)]
    hint = _of_study(baseline, plans) or nearest(baseline, valid)
    return UsageError(f"--baseline '{baseline}': no arm here has this name; {hint}")


def _of_study(name: str, plans: Sequence[StoredPlan]) -> str | None:
    """Return what to type for an arm that is called so in a stored study, which a report has to be asked for."""
    studies = dict.fromkeys(p.study for p in plans if p.study and name in map(plain, p.arms))
    return f"it is an arm of study={' and of study='.join(studies)}: add that" if studies else None


def pivot(
    paths: Sequence[Path],
    filters: Sequence[str] = (),
    *,
    rows: str,
    cols: str | None = None,
    where: Sequence[str] = (),
    metric: str | None = None,
) -> Report:
    """Tabulate a measure by one or two configuration keys, such as rows="dropout.rate", cols="model".

    There is one table for each setting of the other keys that vary. The other parameters are as in `build`. Raises UsageError
    as `build` does, and for unknown keys.
    """
    gathered, metric = with_asked(_unrepeated(gather(paths, filters, where)), metric)
    runs = gathered.frame.drop_duplicates("run_id")
    return _told(with_data(gathered).report, grids=tuple(grids(runs, gathered.measures, rows, cols, metric)))


def asked(
    paths: Sequence[Path],
    filters: Sequence[str],
    questions: Questions,
    baseline: str | None = None,
    *,
    where: Sequence[str] = (),
    metric: str | None = None,
    rope: str | None = None,
    about: str | None = None,
) -> Report:
    """Answer questions about all arms together, whatever they differ in. The other parameters are as in `build`.

    Raises UsageError as `build` does, and for a question that these arms and measures cannot answer.
    """
    beyond = _beyond(about)
    gathered, metric = with_asked(_unrepeated(gather(paths, filters, where)), metric)
    wanted = (baseline,) if baseline else gathered.baselines
    arms, runs = labelled(gathered.frame, gathered.baselines)
    bases = next((f for f in (find(arms, b) for b in wanted) if f), [])
    if baseline and not bases:
        raise _unknown_baseline(baseline, arms, gathered.known)
    labels = [a.label for a in bases or quiet(arms, runs)]
    measure, first = gathered.measures.resolve(runs, metric), labels[0] if labels else None
    alpha = courses.level(courses.of_runs(gathered.known, runs), runs)
    said = said_of(gathered) if beyond else None
    whole = Comparison("", runs, tuple(arms), first, measure, gathered.measures, rope, alpha, said=said)
    try:
        answers = ask(whole, labels, questions, gathered.report.histories)
    except NoArm as error:
        if (hint := _of_study(error.name, gathered.known)) is None:
            raise
        raise NoArm(error.name, hint, error.asked) from None
    known = (*with_data(gathered).report.notes, *about_runs(whole, answers))
    return _told(replace(gathered.report, notes=known), asked=answers)


def for_plan(store: Store, plan: StoredPlan) -> Report:
    """Build a report on the runs of one plan."""
    planned = plan.every_run
    gathered = unfiltered(from_store(store, planned))
    missing = runs_noted.missing(planned, gathered.frame, [plan])
    report = replace(gathered.report, notes=(*gathered.report.notes, *missing))
    if gathered.frame.empty:
        return _told(report)
    frame = with_names(gathered.frame, named([plan])) if plan.arms else gathered.frame
    others = [p for p in store.plans() if p.plan_id != plan.plan_id]
    gathered = replace(gathered, report=report, frame=frame, known=[*others, plan])
    return _compared(replace(gathered, baselines=(plain(plan.baseline),)))


def _unrepeated(gathered: Gathered) -> Gathered:
    """Leave out runs that repeat chosen arms under fresh seeds: one average must not mix them with the seeds that chose."""
    frame, told = without_repeats(gathered.frame)
    return replace(gathered, report=replace(gathered.report, notes=(*gathered.report.notes, *told)), frame=frame)


def _compared(gathered: Gathered, metric: str | None = None, rope: str | None = None, beyond: bool = True) -> Report:
    """Compare the arms. beyond: whether answers hold for new examples like those tested."""
    if metric is not None:
        gathered.measures.resolve(gathered.frame, metric)  # raises if no run has it; a single comparison may lack it
    done = compare(gathered, metric, rope, beyond)
    keep_known(gathered.indexes.values())
    headlines = [text for c in done if (text := headline(c)) is not None]
    return _told(gathered.report, comparisons=done, headlines=tuple(map(plain, headlines)))


def _told(report: Report, **about: Any) -> Report:
    """Return the report with the given contents and a last note on skipped records; control characters are escaped."""
    told = map(plain, (*report.notes, *runs_noted.skipped(report.skipped)))
    return replace(report, notes=tuple(told), questions=tuple(map(plain, report.questions)), **about)

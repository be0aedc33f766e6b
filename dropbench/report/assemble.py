"""From folders to a Report: load, filter, split into comparisons, compare, and note what a reader must know."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import chain
from pathlib import Path
from typing import Any

import pandas as pd

from dropbench.errors import UsageError, nearest
from dropbench.report.diagnosis.evidence import Evidence
from dropbench.report.diagnosis.rules import diagnose
from dropbench.report.records import filters as filtered
from dropbench.report.records.convergence import with_convergence
from dropbench.report.records.frame import to_frame
from dropbench.report.records.load import RUN_SOMETHING, Found, all_epochs, best_epochs, from_store, keep_known, load
from dropbench.report.records.measures import Measure, Measures
from dropbench.report.records.plans import of_studies, plans_of
from dropbench.report.records.said import Said
from dropbench.report.tables import courses, population
from dropbench.report.tables.arms import NONE, Arm, comparisons, find, name_arms, quiet, unscheduled
from dropbench.report.tables.asked import Questions, about_runs, ask
from dropbench.report.tables.comparison import Comparison, Diagnosis
from dropbench.report.tables.current import current
from dropbench.report.tables.grids import grids
from dropbench.report.tables.headline import headline
from dropbench.report.tables.notes import pairing
from dropbench.report.tables.notes import runs as runs_noted
from dropbench.report.tables.notes import whole as all_notes
from dropbench.report.tables.notes.note import as_they_are
from dropbench.report.tables.planned import named, with_names, with_whole
from dropbench.report.tables.report import Report
from dropbench.report.tables.selection import choices
from dropbench.report.tables.study_contrasts import of_study
from dropbench.store import Store, StoredPlan
from dropbench.store.index import Index
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
    gathered = gather(paths, filters, where)
    gathered, metric = with_asked(gathered, metric)
    if baseline:
        gathered = replace(gathered, baselines=(baseline,), of_tables={})
    report = _compared(gathered, metric, rope, beyond)
    if baseline and not any(find(c.arms, baseline) for c in report.comparisons):
        raise _unknown_baseline(baseline, [a for c in report.comparisons for a in c.arms])
    return report


def _beyond(about: str | None) -> bool:
    """Return whether answers hold beyond the tested examples. Raises UsageError for an unknown `about`."""
    if about not in (None, *population.ABOUT):
        raise UsageError(f"--about {about}: there is no such population; {nearest(str(about), population.ABOUT)}")
    return about != population.POOL


def _unknown_baseline(baseline: str, arms: Sequence[Arm]) -> UsageError:
    valid = [name for a in arms for name in (a.label, a.name) if name]
    return UsageError(f"--baseline '{baseline}': no arm here is called that; {nearest(baseline, valid)}")


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
    gathered, metric = with_asked(gather(paths, filters, where), metric)
    runs = gathered.frame.drop_duplicates("run_id")
    return _told(gathered.report, grids=tuple(grids(runs, gathered.measures, rows, cols, metric)))


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
    gathered, metric = with_asked(gather(paths, filters, where), metric)
    arms, runs = labelled(gathered.frame)
    wanted = (baseline,) if baseline else gathered.baselines
    bases = next((f for f in (find(arms, b) for b in wanted) if f), [])
    if baseline and not bases:
        raise _unknown_baseline(baseline, arms)
    labels = [a.label for a in bases or quiet(arms, runs)]
    measure, first = gathered.measures.resolve(runs, metric), labels[0] if labels else None
    alpha = courses.level(courses.of_runs(gathered.known, runs), runs)
    said = said_of(gathered) if beyond else None
    whole = Comparison("", runs, tuple(arms), first, measure, gathered.measures, rope, alpha, said=said)
    answers = ask(whole, labels, questions, gathered.report.histories)
    known = (*gathered.report.notes, *about_runs(whole, answers))
    return _told(replace(gathered.report, notes=known), asked=answers)


@dataclass(frozen=True)
class Gathered:
    """The filtered contents of results folders.

    Parameters
    ----------
    report : Report
        Holds the origin of the runs and the notes on them, but no comparisons yet.
    frame : DataFrame
        One row per run. Runs of studies have one row for each arm that they belong to, with the arm's `name` and its `table`.
    measures : Measures
        What the runs' metrics declare.
    baselines : sequence
        Names of arms that may be the baseline; the first that exists is taken.
    known : sequence
        All stored plans.
    of_tables : Mapping
        The baseline's name of each table of a plan, by table; it takes precedence over `baselines`.
    indexes : Mapping
        By run id, the index that caches what a report needs to know of the run's files.
    """

    report: Report
    frame: pd.DataFrame
    measures: Measures
    baselines: Sequence[str] = (NONE,)
    known: Sequence[StoredPlan] = ()
    of_tables: Mapping[str, str] = field(default_factory=dict)
    indexes: Mapping[str, Index] = field(default_factory=dict)


def gather(paths: Sequence[Path], filters: Sequence[str], wheres: Sequence[str]) -> Gathered:
    """Load and filter runs. Raises UsageError for a path without results, and for a filter that can match nothing."""
    wanted, conditioned = filtered.parse(filters), filtered.conditions(wheres)
    roots = [Path(p) for p in paths] or [Path("results")]
    found = load(roots)
    if not found.records:
        places = ", ".join(map(str, roots))
        unread = f" ({len(found.skipped)} that cannot be read: {found.skipped[0].reason})" if found.skipped else ""
        raise UsageError(f"{places} holds no runs{unread}; {RUN_SOMETHING}")
    gathered = unfiltered(found)
    plans = plans_of(roots)
    gathered = replace(gathered, known=plans, of_tables={t: plain(p.baseline) for p in plans for t in p.tables})
    frame = gathered.frame
    studies = [v for key, values in wanted if key == "study" for v in values]
    if studies:
        plans = of_studies(studies, plans)
        arms = named(plans)
        planned = list(dict.fromkeys(run for *_, run in arms))
        frame = with_names(frame, arms)
        if not planned:
            raise UsageError(f"study={','.join(studies)}: {courses.why_nothing(plans)}")
        if frame.empty:
            raise UsageError(
                f"study={','.join(studies)}: none of its {len(planned)} planned runs is stored; start it again"
            )
        questions = tuple(q for q in dict.fromkeys(p.question for p in plans) if q)
        missing = runs_noted.missing(planned, frame)
        report = replace(gathered.report, questions=questions, notes=(*gathered.report.notes, *missing))
        baselines = list(dict.fromkeys(plain(plan.baseline) for plan in reversed(plans)))
        gathered = replace(gathered, report=report, baselines=baselines)
    else:
        frame, told = with_whole(frame, plans)
        if frame.empty:
            raise UsageError(f"all runs here are tuning runs: {courses.why_nothing(plans)}")
        gathered = replace(gathered, report=replace(gathered.report, notes=(*gathered.report.notes, *told)))
    frame = filtered.where(filtered.select(frame, [w for w in wanted if w[0] != "study"]), conditioned)
    folders = [] if roots == [Path("results")] else map(str, roots)
    frame, apart = current(frame, [*folders, *filters, *(word for w in wheres for word in ("--where", w))])
    gathered = replace(gathered, report=replace(gathered.report, notes=(*gathered.report.notes, *apart)))
    shown = set(frame["run_id"])
    plans = [p for p in plans if not p.arms or not shown.isdisjoint(chain(*p.arms.values()))]
    return replace(
        gathered, report=replace(gathered.report, plans=tuple(plans), runs=frame.drop_duplicates("run_id")), frame=frame
    )


def with_asked(gathered: Gathered, metric: str | None) -> tuple[Gathered, str | None]:
    """Add the measure that `--metric` computes from histories, and return its name. Any other metric is returned unchanged."""
    report = gathered.report
    frame, measures, metric, more = with_convergence(gathered.frame, gathered.measures, report.histories, metric)
    return replace(
        gathered, report=replace(report, notes=(*report.notes, *more)), frame=frame, measures=measures
    ), metric


def for_plan(store: Store, plan: StoredPlan) -> Report:
    """Build a report on the runs of one plan."""
    planned = plan.every_run
    gathered = unfiltered(from_store(store, planned))
    missing = runs_noted.missing(planned, gathered.frame)
    report = replace(gathered.report, notes=(*gathered.report.notes, *missing))
    if gathered.frame.empty:
        return _told(report)
    frame = with_names(gathered.frame, named([plan])) if plan.arms else gathered.frame
    others = [p for p in store.plans() if p.plan_id != plan.plan_id]
    gathered = replace(gathered, report=report, frame=frame, known=[*others, plan])
    return _compared(replace(gathered, baselines=(plain(plan.baseline),)))


def _compared(gathered: Gathered, metric: str | None = None, rope: str | None = None, beyond: bool = True) -> Report:
    """Compare the arms. beyond: whether answers hold for new examples like those tested."""
    frame, measures = gathered.frame, gathered.measures
    said = said_of(gathered) if beyond else None
    if metric is not None:
        measures.resolve(frame, metric)  # raises if no run has it; a single comparison may lack it
    done = []
    for title, runs in comparisons(frame):
        sweeps = [plan.every_run for plan in gathered.report.plans if plan.every_run]
        plans = courses.of_runs(gathered.known, runs)
        own = gathered.of_tables.get(runs["table"].iloc[0])
        wanted = list(dict.fromkeys([*([own] if own else []), *gathered.baselines]))
        comparison = _comparison(
            title, runs, wanted, _measure(runs, measures, metric), measures, rope, sweeps, plans, said
        )
        comparison = _asked_by_study(comparison, plans, gathered.report.histories)
        done.append(diagnosed(comparison, gathered.report))
    keep_known(gathered.indexes.values())
    headlines = [text for c in done if (text := headline(c)) is not None]
    return _told(gathered.report, comparisons=tuple(done), headlines=tuple(map(plain, headlines)))


def said_of(gathered: Gathered) -> Said:
    """Return the runs' predictions on their test examples, which are read only when they are needed."""
    return Said({run: path.parent for run, path in gathered.report.histories.items()}, gathered.indexes)


def _told(report: Report, **about: Any) -> Report:
    """Return the report with the given contents and a last note on skipped records; control characters are escaped."""
    told = map(plain, (*report.notes, *runs_noted.skipped(report.skipped)))
    return replace(report, notes=tuple(told), questions=tuple(map(plain, report.questions)), **about)


def _comparison(
    title: str,
    runs: pd.DataFrame,
    wanted: Sequence[str],
    measure: Measure | None,
    measures: Measures,
    rope: str | None,
    sweeps: Sequence[Sequence[str]],
    plans: Sequence[StoredPlan],
    said: Said | None,
) -> Comparison:
    """Compare the arms of these runs.

    wanted: possible names of the baseline; the first that exists is taken. sweeps: the run ids of each sweep. plans: the plans
    of these runs.
    """
    arms, runs = labelled(runs)
    baselines, why = _baselines(arms, runs, wanted)
    baseline = baselines[0].label if len(baselines) == 1 else None
    chosen = tuple(choices(runs, arms, measure, sweeps))
    outcomes = _outcomes(plans, measures, measure, runs)
    alpha = courses.level(plans, runs) / max(1, len(outcomes))
    tuned = courses.tuned(arms, plans)
    comparison = Comparison(
        title, runs, tuple(arms), baseline, measure, measures, rope, alpha, outcomes, chosen, tuned, said=said
    )
    about = all_notes.notes(comparison, wanted[0], [a.label for a in baselines], why, plans)
    return replace(
        comparison,
        notes=tuple(n.full for n in about),
        brief=tuple(n.brief for n in about if n.brief),
        further=courses.further(comparison, plans),
    )


def _asked_by_study(comparison: Comparison, plans: Sequence[StoredPlan], histories: Mapping[str, Path]) -> Comparison:
    """Add the answers to the contrasts that the comparison's study names, and notes on them."""
    answers, told = of_study(comparison, plans, courses.level(plans, comparison.runs), histories)
    notes = [n for n in as_they_are(told) if n.full not in comparison.notes]
    return replace(
        comparison,
        notes=(*comparison.notes, *(n.full for n in notes)),
        brief=(*comparison.brief, *(n.brief for n in notes if n.brief)),
        answers=answers,
    )


def _outcomes(
    plans: Sequence[StoredPlan], measures: Measures, main: Measure | None, runs: pd.DataFrame
) -> tuple[Measure, ...]:
    """Return the outcomes that the newest plan of these runs named in advance, if the verdict judges one of them."""
    named = next((plan.outcomes for plan in reversed(plans) if plan.outcomes), [])
    found = [measures.of("test", plain(name)) for name in named if f"test_{plain(name)}" in runs]
    return (main, *(m for m in found if m != main)) if main is not None and main in found else ()


def labelled(runs: pd.DataFrame) -> tuple[list[Arm], pd.DataFrame]:
    """Return the arms of these runs, and the runs with the `label` of their arm, one run per arm and seed."""
    arms = name_arms(runs)
    labels = {(a.name, a.arm_id): a.label for a in arms}
    runs = runs.assign(label=[labels[key] for key in zip(runs["name"], runs["arm_id"], strict=True)])
    return arms, runs.drop_duplicates(["label", "seed"])


def _baselines(arms: Sequence[Arm], runs: pd.DataFrame, wanted: Sequence[str]) -> tuple[list[Arm], list[str]]:
    """Return the candidates for the baseline, and a note if it has none of the wanted names."""
    if found := next((f for f in (find(arms, b) for b in wanted) if f), []):
        return found, []
    if tuple(wanted) != (NONE,):
        return [], []
    if idle := quiet(arms, runs):
        # At rate 0 all variants are the same, so the first will do, unless the regularizers beside them differ.
        first = idle[:1] if len({a.beside for a in idle}) == 1 else idle
        return first, pairing.stand_in([a.label for a in idle]) if len(first) == 1 else []
    still = unscheduled(arms, runs)
    return still, [pairing.still(a.label) for a in still]


def diagnosed(c: Comparison, report: Report) -> Comparison:
    """Add the diagnosis, that is advice on the next runs, from the configurations and histories in the report."""
    told: list[Diagnosis] = []
    if c.baseline is not None and c.measure is not None:
        configs = {label: report.configs[c.run_of(label)] for label in c.labels}
        told = diagnose(Evidence(c, c.baseline, c.measure, configs, report.histories, report.epochs))
    return replace(c, diagnosis=tuple(told))


def _measure(runs: pd.DataFrame, measures: Measures, wanted: str | None) -> Measure | None:
    """Return the measure that the verdict judges; None if the runs of this comparison have not measured it."""
    try:
        return measures.resolve(runs, wanted)
    except UsageError:
        return None


def unfiltered(found: Found) -> Gathered:
    """Return all runs that were found, unfiltered."""
    measures = Measures.of_records(found.records)
    epochs = all_epochs(found)
    best, damaged = best_epochs(found, epochs, measures)
    configs = {r.run_id: r.config for r in found.records}
    known = (*runs_noted.disputed(measures), *runs_noted.several_folders(found.rivals), *runs_noted.histories(damaged))
    report = Report((), known, tuple(found.skipped), configs=configs, histories=found.histories, epochs=epochs)
    frame = to_frame(found.records, best).assign(name=None, table=None)
    return Gathered(report, frame, measures, indexes=found.indexes)

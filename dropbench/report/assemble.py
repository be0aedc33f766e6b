"""From folders to a Report: load, filter, split into comparisons, compare, and note what a reader must know."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
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
from dropbench.report.records.load import RUN_SOMETHING, Found, best_epochs, from_store, load
from dropbench.report.records.measures import Measure, Measures
from dropbench.report.tables import courses, notes
from dropbench.report.tables.arms import NONE, Arm, comparisons, find, name_arms, quiet
from dropbench.report.tables.comparison import Comparison, Diagnosis
from dropbench.report.tables.current import current
from dropbench.report.tables.grids import grids
from dropbench.report.tables.headline import headline
from dropbench.report.tables.report import Report
from dropbench.report.tables.selection import choices
from dropbench.store import RUNS, Store, StoredPlan
from dropbench.values import plain

Named = Sequence[tuple[str, str]]
"""(arm's name, run id), in a plan's order."""


def build(
    paths: Sequence[Path],
    filters: Sequence[str] = (),
    baseline: str | None = None,
    *,
    where: Sequence[str] = (),
    metric: str | None = None,
    rope: str | None = None,
) -> Report:
    """A report on what is stored.

    Parameters
    ----------
    paths : sequence
        Results folders or single run folders.
    filters : sequence
        `key=value[,value...]` each.
    baseline : str or None
        An arm's label or name in its plan; None is the study's baseline, else `none`, else an arm at rate 0.
    where : sequence
        Conditions such as `data.n_train<=1000`.
    metric : str or None
        What verdicts are about, such as `loss` (of the test split) or `val_loss`; None is accuracy where it was measured,
        else loss.
    rope : str or None
        Half the width of the region of practical equivalence, `0.2pp`, `0.01` or `1%`; None is what the metric declares.

    Raises
    ------
    UsageError
        For a path without results, a filter that can match nothing, and an unknown baseline or metric.
    """
    gathered = gather(paths, filters, where)
    gathered, metric = with_asked(gathered, metric)
    if baseline:
        gathered = replace(gathered, baselines=(baseline,))
    report = _compared(gathered, metric, rope)
    if baseline and not any(find(c.arms, baseline) for c in report.comparisons):
        valid = [name for c in report.comparisons for a in c.arms for name in (a.label, a.name) if name]
        raise UsageError(f"--baseline '{baseline}': no arm here is called that; {nearest(baseline, valid)}")
    return report


def pivot(
    paths: Sequence[Path],
    filters: Sequence[str] = (),
    *,
    rows: str,
    cols: str | None = None,
    where: Sequence[str] = (),
    metric: str | None = None,
) -> Report:
    """A measure over one or two configuration keys, such as rows="dropout.rate", cols="model"; the rest is as in `build`.

    One table for each setting of what else varies. Raises UsageError as `build` does, and for unknown keys.
    """
    gathered, metric = with_asked(gather(paths, filters, where), metric)
    return _told(gathered.report, grids=tuple(grids(gathered.frame, gathered.measures, rows, cols, metric)))


@dataclass(frozen=True)
class Gathered:
    """What the folders hold, filtered.

    Parameters
    ----------
    report : Report
        Where it comes from, without what it is about.
    frame : DataFrame
        A row a run.
    named : sequence or None
        The arms of the plans that were asked for, by study=.
    baselines : sequence
        What an arm to compare with may be called; the first that is there counts.
    known : sequence
        All plans that are stored.
    """

    report: Report
    frame: pd.DataFrame
    measures: Measures
    named: Named | None = None
    baselines: Sequence[str] = (NONE,)
    known: Sequence[StoredPlan] = ()


def gather(paths: Sequence[Path], filters: Sequence[str], wheres: Sequence[str]) -> Gathered:
    """Raises UsageError for a path without results and a filter that can match nothing."""
    wanted, conditioned = filtered.parse(filters), filtered.conditions(wheres)
    roots = [Path(p) for p in paths] or [Path("results")]
    found = load(roots)
    if not found.records:
        places = ", ".join(map(str, roots))
        unread = f" ({len(found.skipped)} that cannot be read: {found.skipped[0].reason})" if found.skipped else ""
        raise UsageError(f"{places} holds no runs{unread}; {RUN_SOMETHING}")
    gathered = _gathered(found)
    plans = _plans(roots)
    gathered = replace(gathered, known=plans)
    frame = gathered.frame
    studies = [v for key, values in wanted if key == "study" for v in values]
    if studies:
        plans = _plans_of(studies, plans)
        named = [(name, run) for plan in plans for name, runs in plan.arms.items() for run in runs]
        planned = list(dict.fromkeys(run for _, run in named))
        frame = frame[frame["run_id"].isin(planned)]
        if frame.empty:
            raise UsageError(
                f"study={','.join(studies)}: none of its {len(planned)} planned runs is stored; start it again"
            )
        questions = tuple(q for q in dict.fromkeys(p.question for p in plans) if q)
        missing = notes.missing(planned, frame)
        report = replace(gathered.report, questions=questions, notes=(*gathered.report.notes, *missing))
        baselines = list(dict.fromkeys(plain(plan.baseline) for plan in reversed(plans)))
        gathered = replace(gathered, report=report, named=named, baselines=baselines)
    frame = filtered.where(filtered.select(frame, [w for w in wanted if w[0] != "study"]), conditioned)
    frame, apart = current(frame)
    gathered = replace(gathered, report=replace(gathered.report, notes=(*gathered.report.notes, *apart)))
    shown = set(frame["run_id"])
    plans = [p for p in plans if not p.arms or not shown.isdisjoint(chain(*p.arms.values()))]
    return replace(gathered, report=replace(gathered.report, plans=tuple(plans), runs=frame), frame=frame)


def with_asked(gathered: Gathered, metric: str | None) -> tuple[Gathered, str | None]:
    """With what a `--metric` asks of histories as a measure, and that measure's name; any other metric as it is."""
    report = gathered.report
    frame, measures, metric, more = with_convergence(gathered.frame, gathered.measures, report.histories, metric)
    return replace(
        gathered, report=replace(report, notes=(*report.notes, *more)), frame=frame, measures=measures
    ), metric


def for_plan(store: Store, plan: StoredPlan) -> Report:
    """A report on the runs of one plan."""
    planned = plan.every_run
    gathered = _gathered(from_store(store, planned))
    missing = notes.missing(planned, gathered.frame)
    report = replace(gathered.report, notes=(*gathered.report.notes, *missing))
    if gathered.frame.empty:
        return _told(report)
    named = [(name, run) for name, runs in plan.arms.items() for run in runs]
    others = [p for p in store.plans() if p.plan_id != plan.plan_id]
    gathered = replace(gathered, report=report, named=named or None, known=[*others, plan])
    return _compared(replace(gathered, baselines=(plain(plan.baseline),)))


def _compared(gathered: Gathered, metric: str | None = None, rope: str | None = None) -> Report:
    frame, measures = gathered.frame, gathered.measures
    if metric is not None:
        measures.resolve(frame, metric)  # a mistake if no run has it; a comparison may lack it
    done = []
    for title, runs in comparisons(_with_names(frame, gathered.named)):
        planned = courses.of_runs(gathered.known, runs)
        comparison = _comparison(
            title, runs, gathered.baselines, _measure(runs, measures, metric), measures, rope, planned
        )
        done.append(diagnosed(comparison, gathered.report))
    headlines = [said for c in done if (said := headline(c)) is not None]
    return _told(gathered.report, comparisons=tuple(done), headlines=tuple(map(plain, headlines)))


def _told(report: Report, **about: Any) -> Report:
    """With what it is about, and with a note on what was skipped as the last; its words made `plain`."""
    told = map(plain, (*report.notes, *notes.skipped(report.skipped)))
    return replace(report, notes=tuple(told), questions=tuple(map(plain, report.questions)), **about)


def _comparison(
    title: str,
    runs: pd.DataFrame,
    wanted: Sequence[str],
    measure: Measure | None,
    measures: Measures,
    rope: str | None,
    plans: Sequence[StoredPlan],
) -> Comparison:
    """wanted: what the baseline may be called; the first that is there counts. plans: those of these runs."""
    arms = name_arms(runs)
    labels = {(a.name, a.arm_id): a.label for a in arms}
    runs = runs.assign(label=[labels[key] for key in zip(runs["name"], runs["arm_id"], strict=True)])
    runs = runs.drop_duplicates(["label", "seed"])
    baselines = next((f for f in (find(arms, b) for b in wanted) if f), [])
    stand_ins: list[Arm] = []
    if not baselines and tuple(wanted) == (NONE,):
        baselines = stand_ins = quiet(arms, runs)
        # At rate 0 one variant is as good as another, but not with one regularizer or another beside it.
        beside = {a.setting.removeprefix(a.dropout) for a in baselines}
        baselines = baselines[:1] if len(beside) == 1 else baselines
    baseline = baselines[0].label if len(baselines) == 1 else None
    chosen = tuple(choices(runs, arms, measure))
    alpha = courses.level(plans, runs)
    tuned = courses.tuned(arms, plans)
    comparison = Comparison(title, runs, tuple(arms), baseline, measure, measures, rope, alpha, chosen, tuned)
    about = notes.about(comparison, wanted[0], [a.label for a in baselines])
    about += notes.stand_in(baseline, [a.label for a in stand_ins])
    about += [*notes.statistics(comparison), *notes.selection(chosen), *courses.notes(comparison, plans)]
    return replace(comparison, notes=tuple(about))


def diagnosed(c: Comparison, report: Report) -> Comparison:
    """With what it means for the next run, from the configs and histories that the report knows."""
    told: list[Diagnosis] = []
    if c.baseline is not None and c.measure is not None:
        configs = {label: report.configs[c.run_of(label)] for label in c.labels}
        told = diagnose(Evidence(c, c.baseline, c.measure, configs, report.histories))
    return replace(c, diagnosis=tuple(told))


def _measure(runs: pd.DataFrame, measures: Measures, wanted: str | None) -> Measure | None:
    """What the verdict is about here; None where these runs, of several comparisons, have not measured it."""
    try:
        return measures.resolve(runs, wanted)
    except UsageError:
        return None


def _gathered(found: Found) -> Gathered:
    """All of it, unfiltered."""
    measures = Measures.of_records(found.records)
    epochs, damaged = best_epochs(found, measures)
    configs = {r.run_id: r.config for r in found.records}
    known = (*notes.disputed(measures), *notes.several_folders(found.rivals), *notes.histories(damaged))
    report = Report((), known, tuple(found.skipped), configs=configs, histories=found.histories)
    return Gathered(report, to_frame(found.records, epochs), measures)


def _with_names(frame: pd.DataFrame, named: Named | None) -> pd.DataFrame:
    """With a `name` column. A run that is in two arms of a plan (their rates are equal, say) has a row in each."""
    if named is None:
        return frame.assign(name=None)
    rows = {run: i for i, run in enumerate(frame["run_id"].tolist())}
    pairs = [(plain(name), run) for name, run in dict.fromkeys(named) if run in rows]
    return frame.iloc[[rows[run] for _, run in pairs]].assign(name=[name for name, _ in pairs])


def _plans(paths: Sequence[Path]) -> list[StoredPlan]:
    """The plans of these results folders, oldest first in each."""
    roots = dict.fromkeys(p if os.path.isdir(p / RUNS) else p.parent.parent for p in paths)
    return [plan for root in roots for plan in Store(root).plans()]


def _plans_of(studies: Sequence[str], plans: Sequence[StoredPlan]) -> list[StoredPlan]:
    names = {plain(plan.study) for plan in plans if plan.study}
    for study in studies:
        if study not in names:
            hint = nearest(study, names) if names else f"no study has been run here; {RUN_SOMETHING}"
            raise UsageError(f"study={study}: no stored plan is of that study; {hint}")
    return [plan for plan in plans if plan.study in studies]

"""The contents of results folders for a report: runs loaded, filtered, and assigned to the tables of their plans."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import chain
from pathlib import Path

import pandas as pd

from dropbench.errors import UsageError
from dropbench.report.records import filters as filtered
from dropbench.report.records.convergence import with_convergence
from dropbench.report.records.frame import to_frame
from dropbench.report.records.load import NONE_ENDED, RUN_SOMETHING, Found, all_epochs, best_epochs, load
from dropbench.report.records.measures import Measures
from dropbench.report.records.plans import of_studies, plans_of
from dropbench.report.records.said import Said
from dropbench.report.tables import courses
from dropbench.report.tables.arms import NONE
from dropbench.report.tables.current import current
from dropbench.report.tables.notes import runs as runs_noted
from dropbench.report.tables.planned import named, with_names, with_whole
from dropbench.report.tables.repeats import repeats_of, tables_of
from dropbench.report.tables.report import Report
from dropbench.store import StoredPlan
from dropbench.store.index import Index
from dropbench.values import plain


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
        raise UsageError(f"{places} holds no runs{unread}; {NONE_ENDED if plans_of(roots) else RUN_SOMETHING}")
    gathered = unfiltered(found)
    plans = plans_of(roots)
    gathered = replace(gathered, known=plans, of_tables={t: plain(p.baseline) for p in plans for t in tables_of(p)})
    frame = gathered.frame
    studies = [v for key, values in wanted if key == "study" for v in values]
    if studies:
        stored, plans = plans, of_studies(studies, plans, roots)
        again = [p for p in repeats_of(stored, plans) if p not in plans]
        arms = named([*plans, *again])
        planned = list(dict.fromkeys(run for *_, run in arms))
        frame = with_names(frame, arms)
        if not planned:
            raise UsageError(f"study={','.join(studies)}: {courses.why_nothing(plans)}")
        if frame.empty:
            raise UsageError(
                f"study={','.join(studies)}: none of its {len(planned)} planned runs is stored; start it again"
            )
        questions = tuple(q for q in dict.fromkeys(p.question for p in plans) if q)
        missing = runs_noted.missing(planned, frame, plans)
        report = replace(gathered.report, questions=questions, notes=(*gathered.report.notes, *missing))
        baselines = list(dict.fromkeys(plain(plan.baseline) for plan in reversed(plans)))
        gathered = replace(gathered, report=report, baselines=baselines)
    else:
        frame, told = with_whole(frame, plans)
        if frame.empty:
            raise UsageError(f"all runs here are tuning runs: {courses.why_nothing(plans)}")
        told = [*told, *runs_noted.begun(plans, gathered.frame)]
        gathered = replace(gathered, report=replace(gathered.report, notes=(*gathered.report.notes, *told)))
    frame = filtered.where(filtered.select(frame, [w for w in wanted if w[0] != "study"]), conditioned)
    folders = [] if roots == [Path("results")] else map(str, roots)
    frame, apart = current(frame, [*folders, *filters, *(word for w in wheres for word in ("--where", w))])
    gathered = replace(gathered, report=replace(gathered.report, notes=(*gathered.report.notes, *apart)))
    shown = set(frame["run_id"])
    plans = [p for p in plans if not p.arms or not shown.isdisjoint(chain(*p.arms.values()))]
    report = replace(gathered.report, plans=tuple(plans), runs=frame.drop_duplicates("run_id"))
    return replace(gathered, report=report, frame=frame)


def with_asked(gathered: Gathered, metric: str | None) -> tuple[Gathered, str | None]:
    """Add the measure that `--metric` computes from histories, and return its name. Any other metric is returned unchanged."""
    report = gathered.report
    frame, measures, metric, more = with_convergence(gathered.frame, gathered.measures, report.histories, metric)
    return replace(
        gathered, report=replace(report, notes=(*report.notes, *more)), frame=frame, measures=measures
    ), metric


def with_data(gathered: Gathered) -> Gathered:
    """Put what was noted on the data first among the notes; a report of comparisons has it among the notes of each."""
    told = runs_noted.about_data(gathered.report.plans, set(gathered.frame["run_id"]))
    return replace(gathered, report=replace(gathered.report, notes=(*told, *gathered.report.notes)))


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


def said_of(gathered: Gathered) -> Said:
    """Return the runs' predictions on their test examples, which are read only when they are needed."""
    return Said({run: path.parent for run, path in gathered.report.histories.items()}, gathered.indexes)

"""From folders to a Report: load, filter, split into comparisons, compare, and note what a reader must know."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import chain
from pathlib import Path
from typing import Any

import pandas as pd

from dropbench.errors import UsageError, nearest
from dropbench.report.diagnosis.evidence import Evidence
from dropbench.report.diagnosis.rules import diagnose
from dropbench.report.records.convergence import with_convergence
from dropbench.report.records.filters import conditions, parse, select, where
from dropbench.report.records.frame import to_frame
from dropbench.report.records.load import RUN_SOMETHING, Found, best_epoch, from_store, load
from dropbench.report.records.measures import Measure, Measures
from dropbench.report.tables import notes
from dropbench.report.tables.arms import NONE, Arm, comparisons, find, name_arms, quiet
from dropbench.report.tables.comparison import Comparison, Diagnosis
from dropbench.report.tables.grids import grids
from dropbench.report.tables.report import Report
from dropbench.report.tables.selection import choices
from dropbench.store import RUNS, Plan, Skipped, Store

Named = Sequence[tuple[str, str]]
"""(arm's name, run id), in a plan's order."""


def build(
    paths: Sequence[Path],
    filters: Sequence[str],
    baseline: str | None,
    wheres: Sequence[str],
    metric: str | None,
    rope: str | None,
) -> Report:
    """See dropbench.report.build."""
    gathered = gather(paths, filters, wheres)
    frame, measures, metric, more = with_convergence(gathered.frame, gathered.measures, gathered.histories, metric)
    ask = _Ask(tuple([baseline] if baseline else gathered.baselines), baseline is not None, metric, rope)
    report = _report(frame, measures, gathered.named, ask, [*gathered.notes, *more], gathered.skipped)
    return diagnosed(replace(report, configs=gathered.configs, **gathered.sources()))


def pivot(
    paths: Sequence[Path],
    filters: Sequence[str],
    rows: str,
    cols: str | None,
    wheres: Sequence[str],
    metric: str | None,
) -> Report:
    """See dropbench.report.tables.grids."""
    gathered = gather(paths, filters, wheres)
    frame, measures, metric, more = with_convergence(gathered.frame, gathered.measures, gathered.histories, metric)
    about = (*gathered.notes, *more, *notes.skipped(gathered.skipped))
    tables = tuple(grids(frame, measures, rows, cols, metric))
    return Report((), about, tuple(gathered.skipped), grids=tables, **gathered.sources())


@dataclass(frozen=True)
class Gathered:
    """What the folders hold, filtered: a row a run. named: arms of the plans that were asked for, by study=."""

    frame: pd.DataFrame
    measures: Measures
    named: Named | None
    baselines: list[str]
    notes: list[str]
    skipped: list[Skipped]
    questions: tuple[str, ...]
    configs: dict[str, dict[str, Any]]
    histories: dict[str, Path]
    plans: tuple[Plan, ...]

    def sources(self) -> dict[str, Any]:
        """What a Report says of where it comes from."""
        return {"questions": self.questions, "histories": self.histories, "plans": self.plans, "runs": self.frame}


def gather(paths: Sequence[Path], filters: Sequence[str], wheres: Sequence[str]) -> Gathered:
    """Raises UsageError for a path without results and a filter that can match nothing."""
    wanted, conditioned = parse(filters), conditions(wheres)
    roots = [Path(p) for p in paths] or [Path("results")]
    found = load(roots)
    if not found.records:
        places = ", ".join(map(str, roots))
        unread = f" ({len(found.skipped)} that cannot be read: {found.skipped[0].reason})" if found.skipped else ""
        raise UsageError(f"{places} holds no runs{unread}; {RUN_SOMETHING}")
    frame = _frame(found)
    studies = [v for key, values in wanted if key == "study" for v in values]
    stored = _stored(roots)
    named: Named | None = None
    baselines = [NONE]
    extra: list[str] = []
    questions: tuple[str, ...] = ()
    if studies:
        plans = _plans_of(studies, stored)
        named = [(name, run) for plan in plans for name, runs in plan.arms.items() for run in runs]
        baselines = list(dict.fromkeys(plan.baseline for plan in reversed(plans)))
        questions = tuple(q for q in dict.fromkeys(p.question for p in plans) if q)
        planned = list(dict.fromkeys(run for _, run in named))
        frame = frame[frame["run_id"].isin(planned)]
        if frame.empty:
            raise UsageError(
                f"study={','.join(studies)}: none of its {len(planned)} planned runs is stored; start it again"
            )
        extra = notes.missing(planned, frame)
    frame = where(select(frame, [w for w in wanted if w[0] != "study"]), conditioned)
    shown = set(frame["run_id"])
    return Gathered(
        frame,
        Measures({}),
        named,
        baselines,
        extra,
        found.skipped,
        questions,
        {r.run_id: r.config for r in found.records},
        found.histories,
        tuple(p for p in (plans if studies else stored) if not p.arms or not shown.isdisjoint(chain(*p.arms.values()))),
    )


def for_runs(store: Store, run_ids: Iterable[str], arms: Mapping[str, Sequence[str]], baseline: str) -> Report:
    """See dropbench.report.for_runs."""
    planned = list(dict.fromkeys(run_ids))
    found = from_store(store, planned)
    frame = _frame(found)
    extra = notes.missing(planned, frame)
    if not found.records:
        return Report((), (*extra, *notes.skipped(found.skipped)), tuple(found.skipped))
    named = [(name, run) for name, runs in arms.items() for run in runs]
    ask = _Ask((baseline,), False, None, None)
    report = _report(frame, Measures({}), named or None, ask, extra, found.skipped)
    configs = {r.run_id: r.config for r in found.records}
    return diagnosed(replace(report, configs=configs, histories=found.histories))


@dataclass(frozen=True)
class _Ask:
    """What is asked of every comparison. baselines: the first that is here counts; insist: one must be here somewhere."""

    baselines: tuple[str, ...]
    insist: bool
    metric: str | None
    rope: str | None


def _report(
    frame: pd.DataFrame,
    measures: Measures,
    named: Named | None,
    ask: _Ask,
    extra: Sequence[str],
    skipped: Sequence[Skipped],
) -> Report:
    if ask.metric is not None:
        measures.resolve(frame, ask.metric)
    tables = [(title, runs, name_arms(runs)) for title, runs in comparisons(_with_names(frame, named))]
    if ask.insist and not any(find(arms, b) for _, _, arms in tables for b in ask.baselines):
        valid = [name for _, _, arms in tables for a in arms for name in (a.label, a.name) if name]
        raise UsageError(
            f"--baseline '{ask.baselines[0]}': no arm here is called that; {nearest(ask.baselines[0], valid)}"
        )
    done = [_comparison(title, runs, arms, measures, ask) for title, runs, arms in tables]
    return Report(tuple(done), (*extra, *notes.skipped(skipped)), tuple(skipped))


def _comparison(title: str, runs: pd.DataFrame, arms: Sequence[Arm], measures: Measures, ask: _Ask) -> Comparison:
    labels = {(a.name, a.arm_id): a.label for a in arms}
    runs = runs.assign(label=[labels[key] for key in zip(runs["name"], runs["arm_id"], strict=True)])
    runs = runs.drop_duplicates(["label", "seed"])
    baselines = next((f for f in (find(arms, b) for b in ask.baselines) if f), [])
    stand_ins: list[Arm] = []
    if not baselines and ask.baselines == (NONE,):
        baselines = stand_ins = quiet(arms, runs)
        # At rate 0 one variant is as good as another, but not with one regularizer or another beside it.
        beside = {a.setting.removeprefix(a.dropout) for a in baselines}
        baselines = baselines[:1] if len(beside) == 1 else baselines
    baseline = baselines[0].label if len(baselines) == 1 else None
    measure = _measure(runs, measures, ask.metric)
    chosen = tuple(choices(runs, arms, measure))
    comparison = Comparison(title, runs, tuple(arms), baseline, measure, measures, ask.rope, chosen)
    about = notes.about(comparison, ask.baselines[0], [a.label for a in baselines])
    about += notes.stand_in(baseline, [a.label for a in stand_ins])
    return replace(comparison, notes=(*about, *notes.statistics(comparison), *notes.selection(chosen)))


def diagnosed(report: Report) -> Report:
    """With what each comparison means for the next run, from the configs and histories that the report knows."""
    done = []
    for c in report.comparisons:
        told: list[Diagnosis] = []
        if c.baseline is not None and c.measure is not None:
            configs = {label: report.configs[c.run_of(label)] for label in c.labels}
            told = diagnose(Evidence(c, c.baseline, c.measure, configs, report.histories))
        done.append(replace(c, diagnosis=tuple(told)))
    return replace(report, comparisons=tuple(done))


def _measure(runs: pd.DataFrame, measures: Measures, wanted: str | None) -> Measure | None:
    """What the verdict is about here; None where these runs, of several comparisons, have not measured it."""
    try:
        return measures.resolve(runs, wanted)
    except UsageError:
        return None


def _frame(found: Found) -> pd.DataFrame:
    return to_frame(found.records, {r.run_id: best_epoch(found.histories[r.run_id], r.config) for r in found.records})


def _with_names(frame: pd.DataFrame, named: Named | None) -> pd.DataFrame:
    """With a `name` column. A run that is in two arms of a plan (their rates are equal, say) has a row in each."""
    if named is None:
        return frame.assign(name=None)
    rows = {run: i for i, run in enumerate(frame["run_id"].tolist())}
    pairs = [(name, run) for name, run in dict.fromkeys(named) if run in rows]
    return frame.iloc[[rows[run] for _, run in pairs]].assign(name=[name for name, _ in pairs])


def _stored(paths: Sequence[Path]) -> list[Plan]:
    """The plans of these results folders, oldest first in each."""
    roots = dict.fromkeys(p if (p / RUNS).is_dir() else p.parent.parent for p in paths)
    return [plan for root in roots for plan in Store(root).plans()]


def _plans_of(studies: Sequence[str], plans: Sequence[Plan]) -> list[Plan]:
    names = {plan.study for plan in plans if plan.study}
    for study in studies:
        if study not in names:
            hint = nearest(study, names) if names else f"no study has been run here; {RUN_SOMETHING}"
            raise UsageError(f"study={study}: no stored plan is of that study; {hint}")
    return [plan for plan in plans if plan.study in studies]

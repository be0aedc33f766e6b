"""From folders to a Report: load, filter, split into comparisons, compare, and note what a reader must know."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dropbench.errors import UsageError, nearest
from dropbench.report.diagnosis.evidence import Evidence
from dropbench.report.diagnosis.rules import Diagnosis, diagnose
from dropbench.report.records.convergence import with_convergence
from dropbench.report.records.filters import conditions, parse, select, where
from dropbench.report.records.frame import to_frame
from dropbench.report.records.load import RUN_SOMETHING, Found, best_epoch, from_store, load
from dropbench.report.records.measures import resolve
from dropbench.report.tables import notes
from dropbench.report.tables.arms import NONE, Arm, comparisons, find, name_arms, quiet
from dropbench.report.tables.attribution_agreement import stability
from dropbench.report.tables.compare import summarise
from dropbench.report.tables.grids import Grid, grids
from dropbench.report.tables.selection import Choice, choices
from dropbench.store import RUNS, Skipped, Store, StoredPlan

if TYPE_CHECKING:
    import pandas as pd

Named = Sequence[tuple[str, str]]
"""(arm's name, run id), in a plan's order."""


@dataclass(frozen=True)
class Comparison:
    """One table: arms that differ in regularizers only.

    table: a row an arm, full precision; see compare.summarise, with `setting`, `model`, `data`, `arm_id` beside it.
    runs: the rows of the frame behind it, with their `label`. baseline: a label, or None where it is not here.
    measure: what the verdict is about, `test_accuracy`, or None where these runs have no such. choices: of rates.
    diagnosis: what it means for the next run; None where nobody asked.
    """

    title: str
    table: pd.DataFrame
    runs: pd.DataFrame
    arms: tuple[Arm, ...]
    baseline: str | None
    measure: str | None
    choices: tuple[Choice, ...]
    notes: tuple[str, ...]
    diagnosis: tuple[Diagnosis, ...] | None = None

    def run_of(self, label: str) -> str:
        """The id of one of an arm's runs."""
        return str(self.runs.loc[self.runs["label"] == label, "run_id"].iloc[0])


@dataclass(frozen=True)
class Report:
    """comparisons: in natural order of their titles. notes: about all of them. skipped: what could not be read.

    questions: what the studies asked, if the report is of studies. grids: pivots, instead of comparisons.
    configs, histories: of every run that was loaded, by its id: what it was set to, and where its history.csv is.
    plans: the stored ones that have a run of this report, and grids, which do not say what they have.
    command: what was typed to get it, where that is known.
    runs: the frame of all that it is about, a row a run.
    """

    comparisons: tuple[Comparison, ...]
    notes: tuple[str, ...]
    skipped: tuple[Skipped, ...]
    questions: tuple[str, ...] = ()
    grids: tuple[Grid, ...] = ()
    configs: Mapping[str, Mapping[str, Any]] = field(default_factory=dict, repr=False)
    histories: Mapping[str, Path] = field(default_factory=dict, repr=False)
    plans: tuple[StoredPlan, ...] = ()
    command: str | None = None
    runs: pd.DataFrame | None = field(default=None, repr=False)


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
    frame, metric, more = with_convergence(gathered.frame, gathered.histories, metric)
    ask = _Ask(tuple([baseline] if baseline else gathered.baselines), baseline is not None, metric, rope)
    report = _report(frame, gathered.named, ask, [*gathered.notes, *more], gathered.skipped)
    return diagnosed(replace(report, configs=gathered.configs, **gathered.sources()), rope)


def pivot(
    paths: Sequence[Path],
    filters: Sequence[str],
    rows: str,
    cols: str | None,
    wheres: Sequence[str],
    metric: str | None,
) -> Report:
    """See dropbench.report.tables.grids."""
    found = gather(paths, filters, wheres)
    frame, metric, more = with_convergence(found.frame, found.histories, metric)
    about = (*found.notes, *more, *notes.skipped(found.skipped))
    made = tuple(grids(frame, rows, cols, metric))
    return Report((), about, tuple(found.skipped), grids=made, **found.sources())


@dataclass(frozen=True)
class Gathered:
    """What the folders hold, filtered: a row a run. named: arms of the plans that were asked for, by study=."""

    frame: pd.DataFrame
    named: Named | None
    baselines: list[str]
    notes: list[str]
    skipped: list[Skipped]
    questions: tuple[str, ...]
    configs: dict[str, dict[str, Any]]
    histories: dict[str, Path]
    plans: tuple[StoredPlan, ...]

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
    here = set(frame["run_id"])
    return Gathered(
        frame,
        named,
        baselines,
        extra,
        found.skipped,
        questions,
        {r.run_id: r.config for r in found.records},
        found.histories,
        tuple(p for p in (plans if studies else stored) if not p.arms or not here.isdisjoint(chain(*p.arms.values()))),
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
    report = _report(frame, named or None, _Ask((baseline,), False, None, None), extra, found.skipped)
    configs = {r.run_id: r.config for r in found.records}
    return diagnosed(replace(report, configs=configs, histories=found.histories), None)


@dataclass(frozen=True)
class _Ask:
    """What is asked of every comparison. baselines: the first that is here counts; insist: one must be here somewhere."""

    baselines: tuple[str, ...]
    insist: bool
    metric: str | None
    rope: str | None


def _report(
    frame: pd.DataFrame, named: Named | None, ask: _Ask, extra: Sequence[str], skipped: Sequence[Skipped]
) -> Report:
    if ask.metric is not None:
        resolve(frame, ask.metric)
    tables = [(title, runs, name_arms(runs)) for title, runs in comparisons(_with_names(frame, named))]
    if ask.insist and not any(find(arms, b) for _, _, arms in tables for b in ask.baselines):
        valid = [name for _, _, arms in tables for a in arms for name in (a.label, a.name) if name]
        raise UsageError(
            f"--baseline '{ask.baselines[0]}': no arm here is called that; {nearest(ask.baselines[0], valid)}"
        )
    done = [_comparison(title, runs, arms, ask) for title, runs, arms in tables]
    return Report(tuple(done), (*extra, *notes.skipped(skipped)), tuple(skipped))


def _comparison(title: str, runs: pd.DataFrame, arms: Sequence[Arm], ask: _Ask) -> Comparison:
    labels = {(a.name, a.arm_id): a.label for a in arms}
    runs = runs.assign(label=[labels[key] for key in zip(runs["name"], runs["arm_id"], strict=True)])
    runs = runs.drop_duplicates(["label", "seed"])
    found = next((f for f in (find(arms, b) for b in ask.baselines) if f), [])
    stand_ins: list[Arm] = []
    if not found and ask.baselines == (NONE,):
        found = stand_ins = quiet(arms, runs)
        # At rate 0 one variant is as good as another, but not with one regularizer or another beside it.
        found = found[:1] if len({a.setting.removeprefix(a.dropout) for a in found}) == 1 else found
    baseline = found[0].label if len(found) == 1 else None
    measure = _measure(runs, ask.metric)
    table = summarise(runs, [a.label for a in arms], baseline, measure, ask.rope)
    for place, (column, values) in enumerate(
        {
            "model": [runs["model"].iloc[0]] * len(arms),
            "data": [runs["data"].iloc[0]] * len(arms),
            "setting": [a.setting for a in arms],
            "arm_id": [a.arm_id for a in arms],
        }.items()
    ):
        table.insert(place + 1, column, values)
    table = table.assign(**stability(runs, [a.label for a in arms]))
    chosen = choices(runs, arms, measure)
    about = notes.about(runs, table, baseline, ask.baselines[0], [a.label for a in found])
    about += notes.stand_in(baseline, [a.label for a in stand_ins])
    about += [*notes.statistics(table, measure, ask.rope is not None), *notes.selection(chosen)]
    return Comparison(title, table, runs, tuple(arms), baseline, measure, tuple(chosen), tuple(about))


def diagnosed(report: Report, rope: str | None) -> Report:
    """With what each comparison means for the next run, from the configs and histories that the report knows."""
    done = []
    for c in report.comparisons:
        found: list[Diagnosis] = []
        if c.baseline is not None and c.measure is not None:
            configs = {a.label: report.configs[c.run_of(a.label)] for a in c.arms}
            labels = [a.label for a in c.arms]
            found = diagnose(Evidence(c.runs, labels, c.baseline, c.measure, rope, configs, report.histories))
        done.append(replace(c, diagnosis=tuple(found)))
    return replace(report, comparisons=tuple(done))


def _measure(runs: pd.DataFrame, wanted: str | None) -> str | None:
    """What the verdict is about here; None where these runs, of several comparisons, have not measured it."""
    try:
        return resolve(runs, wanted)
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


def _stored(paths: Sequence[Path]) -> list[StoredPlan]:
    """The plans of these results folders, oldest first in each."""
    roots = dict.fromkeys(p if (p / RUNS).is_dir() else p.parent.parent for p in paths)
    return [plan for root in roots for plan in Store(root).plans()]


def _plans_of(studies: Sequence[str], plans: Sequence[StoredPlan]) -> list[StoredPlan]:
    names = {plan.study for plan in plans if plan.study}
    for study in studies:
        if study not in names:
            hint = nearest(study, names) if names else f"no study has been run here; {RUN_SOMETHING}"
            raise UsageError(f"study={study}: no stored plan is of that study; {hint}")
    return [plan for plan in plans if plan.study in studies]

"""From folders to a Report: load, filter, split into comparisons, compare, and note what a reader must know."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from dropbench.errors import UsageError, nearest
from dropbench.report import notes
from dropbench.report.arms import Arm, comparisons, find, name_arms
from dropbench.report.compare import summarise
from dropbench.report.filters import parse, select
from dropbench.report.frame import to_frame
from dropbench.store import FAILED, RECORD, RUNS, Loaded, Plan, Record, Skipped, Store, read, read_all

if TYPE_CHECKING:
    import pandas as pd

RUN_SOMETHING = "to make some: dropbench sweep study=three_arm"
Named = Sequence[tuple[str, str]]
"""(arm's name, run id), in a plan's order."""


@dataclass(frozen=True)
class Comparison:
    """One table: arms that differ in regularizers only.

    table: a row an arm, full precision; see compare.summarise, with `setting`, `model`, `data`, `arm_id` beside it.
    runs: the rows of the frame behind it, with their `label`. baseline: a label, or None where it is not here.
    """

    title: str
    table: pd.DataFrame
    runs: pd.DataFrame
    arms: tuple[Arm, ...]
    baseline: str | None
    notes: tuple[str, ...]


@dataclass(frozen=True)
class Report:
    """comparisons: in natural order of their titles. notes: about all of them. skipped: what could not be read.

    questions: what the studies asked, if the report is of studies.
    """

    comparisons: tuple[Comparison, ...]
    notes: tuple[str, ...]
    skipped: tuple[Skipped, ...]
    questions: tuple[str, ...] = ()


def build(paths: Sequence[Path], filters: Sequence[str], baseline: str | None) -> Report:
    """See dropbench.report.build."""
    wanted = parse(filters)
    roots = [Path(p) for p in paths] or [Path("results")]
    loaded = [_load(root) for root in roots]
    skipped = [s for part in loaded for s in part.skipped]
    records = _newest([r for part in loaded for r in part.records])
    if not records:
        where = ", ".join(map(str, roots))
        unread = f" ({len(skipped)} that cannot be read: {skipped[0].reason})" if skipped else ""
        raise UsageError(f"{where} holds no runs{unread}; {RUN_SOMETHING}")
    frame = to_frame(records)
    studies = [v for key, values in wanted if key == "study" for v in values]
    named: Named | None = None
    baselines = ["none"]
    extra: list[str] = []
    questions: tuple[str, ...] = ()
    if studies:
        plans = _plans_of(studies, roots)
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
    frame = select(frame, [w for w in wanted if w[0] != "study"])
    report = _report(frame, named, [baseline] if baseline else baselines, baseline is not None, extra, skipped)
    return replace(report, questions=questions)


def for_runs(store: Store, run_ids: Iterable[str], arms: Mapping[str, Sequence[str]], baseline: str) -> Report:
    """See dropbench.report.for_runs."""
    planned = list(dict.fromkeys(run_ids))
    found = [store.find(run) for run in planned]
    records = [r for r in found if isinstance(r, Record)]
    skipped = [s for s in found if isinstance(s, Skipped)]
    frame = to_frame(records)
    extra = notes.missing(planned, frame)
    if not records:
        return Report((), (*extra, *notes.skipped(skipped)), tuple(skipped))
    named = [(name, run) for name, runs in arms.items() for run in runs]
    return _report(frame, named or None, [baseline], False, extra, skipped)


def _report(
    frame: pd.DataFrame,
    named: Named | None,
    baselines: Sequence[str],
    insist: bool,
    extra: Sequence[str],
    skipped: Sequence[Skipped],
) -> Report:
    """`baselines`: the first that is here counts, in each comparison; `insist`: one of them must be here somewhere."""
    tables = [(title, runs, name_arms(runs)) for title, runs in comparisons(_with_names(frame, named))]
    if insist and not any(find(arms, b) for _, _, arms in tables for b in baselines):
        valid = [name for _, _, arms in tables for a in arms for name in (a.label, a.name) if name]
        raise UsageError(f"--baseline '{baselines[0]}': no arm here is called that; {nearest(baselines[0], valid)}")
    done = [_comparison(title, runs, arms, baselines) for title, runs, arms in tables]
    return Report(tuple(done), (*extra, *notes.skipped(skipped)), tuple(skipped))


def _comparison(title: str, runs: pd.DataFrame, arms: Sequence[Arm], baselines: Sequence[str]) -> Comparison:
    labels = {(a.name, a.arm_id): a.label for a in arms}
    runs = runs.assign(label=[labels[key] for key in zip(runs["name"], runs["arm_id"], strict=True)])
    runs = runs.drop_duplicates(["label", "seed"])
    found = next((f for f in (find(arms, b) for b in baselines) if f), [])
    baseline = found[0].label if len(found) == 1 else None
    table = summarise(runs, [a.label for a in arms], baseline)
    for place, (column, values) in enumerate(
        {
            "model": [runs["model"].iloc[0]] * len(arms),
            "data": [runs["data"].iloc[0]] * len(arms),
            "setting": [a.setting for a in arms],
            "arm_id": [a.arm_id for a in arms],
        }.items()
    ):
        table.insert(place + 1, column, values)
    about = notes.about(runs, table, baseline, baselines[0], [a.label for a in found])
    return Comparison(title, table, runs, tuple(arms), baseline, tuple(about))


def _with_names(frame: pd.DataFrame, named: Named | None) -> pd.DataFrame:
    """With a `name` column. A run that is in two arms of a plan (their rates are equal, say) has a row in each."""
    if named is None:
        return frame.assign(name=None)
    rows = {run: i for i, run in enumerate(frame["run_id"].tolist())}
    pairs = [(name, run) for name, run in dict.fromkeys(named) if run in rows]
    return frame.iloc[[rows[run] for _, run in pairs]].assign(name=[name for name, _ in pairs])


def _load(path: Path) -> Loaded:
    """A results folder, the runs/ or failed/ in it, or a single run folder."""
    if not path.exists():
        raise UsageError(f"there is no folder {path}; {RUN_SOMETHING}")
    if (path / RECORD).exists():
        found = read(path)
        return Loaded([found], []) if isinstance(found, Record) else Loaded([], [found])
    if (path / RUNS).is_dir() or (path / FAILED).is_dir():
        return Store(path).load()
    if path.resolve().name in (RUNS, FAILED) and path.is_dir():
        return read_all(path)
    raise UsageError(
        f"{path} is no results folder (it has no {RUNS}/) and no run (it has no {RECORD}); {RUN_SOMETHING}"
    )


def _newest(records: Sequence[Record]) -> list[Record]:
    """One record a run, for overlapping paths: finished before failed, then the one started last."""
    best: dict[str, Record] = {}
    for record in sorted(records, key=lambda r: (r.status != "failed", r.started)):
        best[record.run_id] = record
    return [best[run_id] for run_id in sorted(best)]


def _plans_of(studies: Sequence[str], paths: Sequence[Path]) -> list[Plan]:
    roots = dict.fromkeys(p if (p / RUNS).is_dir() else p.parent.parent for p in paths)
    plans = [plan for root in roots for plan in Store(root).plans()]
    names = {plan.study for plan in plans if plan.study}
    for study in studies:
        if study not in names:
            hint = nearest(study, names) if names else f"no study has been run here; {RUN_SOMETHING}"
            raise UsageError(f"study={study}: no stored plan is of that study; {hint}")
    return [plan for plan in plans if plan.study in studies]

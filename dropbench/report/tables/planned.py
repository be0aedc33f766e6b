"""Assigns runs to the arms and tables of stored plans."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd

from dropbench.report.tables.repeats import is_repeat, tables_of
from dropbench.report.tables.titles import tables
from dropbench.store import StoredPlan
from dropbench.values import count, plain

Named = Sequence[tuple[str | None, str | None, str]]
"""(table, arm's name, run id), in a plan's order; table is None for a plan without tables, name for an arm without one."""


def named(plans: Sequence[StoredPlan]) -> Named:
    """Return the arms of these plans; what an older plan, without tables, has in common with one with tables is left out."""
    tabled = [
        (table, name, run)
        for plan in plans
        for table, arms in tables_of(plan).items()
        for name, runs in arms.items()
        for run in runs
    ]
    told = {(name, run) for _, name, run in tabled}
    older = (p for p in plans if not p.tables)
    rest = [(None, name, run) for p in older for name, runs in p.arms.items() for run in runs]
    return list(dict.fromkeys([*tabled, *((t, name, run) for t, name, run in rest if (name, run) not in told)]))


def _torn(plan: StoredPlan, frame: pd.DataFrame) -> bool:
    """Return whether a table of the plan has runs that differ in more than regularizers."""
    runs = frame["run_id"].tolist()
    group = {runs[i]: place for place, places in enumerate(tables(frame)) for i in places}
    whole = ([group[r] for ids in arms.values() for r in ids if r in group] for arms in plan.tables.values())
    return any(len(set(places)) > 1 for places in whole)


def with_whole(frame: pd.DataFrame, plans: Sequence[StoredPlan]) -> tuple[pd.DataFrame, list[str]]:
    """Return the runs without those that only served tuning or as a pilot, and a note on how many these are.

    Runs between two looks at a comparison are left out too; the notes on the comparison say so.

    Plans whose arms differ in more than regularizers (tuned arms, and arms of some studies) keep the tables of the plan,
    because their arms would otherwise be split into several tables; so do repeats under fresh seeds. A run that another plan
    compares is in that plan's table too.
    """
    runs = frame["run_id"].tolist()
    tuned = [
        p for p in plans if p.tables and (is_repeat(p) or (p.course is not None and p.course.tuned) or _torn(p, frame))
    ]
    tabled = named(tuned)
    compared = {run for p in plans for run in p.every_run}
    apart = {run for p in plans for run in p.trained if run not in compared}.intersection(runs)
    elsewhere = {run for p in plans if p not in tuned for run in p.every_run}
    left_out = apart | ({run for *_, run in tabled} - elsewhere)
    served = apart.difference(*(p.later for p in plans))
    what = "only served for tuning or as a pilot"
    note = f"{count(len(served), 'run')} {what}, under seeds of their own, and are in no table."
    whole = [*((None, None, run) for run in runs if run not in left_out), *tabled]
    return (with_names(frame, whole), [note] if served else []) if left_out else (frame, [])


def with_names(frame: pd.DataFrame, arms: Named) -> pd.DataFrame:
    """Return the runs with columns `name` and `table`; a run in two arms of a plan (of equal rates, say) has two rows."""
    rows = {run: i for i, run in enumerate(frame["run_id"].tolist())}
    there = [(table, None if name is None else plain(name), run) for table, name, run in arms if run in rows]
    tables, names, _ = zip(*there, strict=True) if there else ((), (), ())
    found = frame.iloc[[rows[run] for *_, run in there]]
    # With dtype object, None stays None beside texts.
    texts = {k: pd.Series(v, found.index, dtype=object) for k, v in (("table", tables), ("name", names))}
    return found.assign(**texts)

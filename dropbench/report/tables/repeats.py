"""Chosen arms that `report --confirm` trained again under fresh seeds: a table of their own, beside the one that chose them.

Seeds that chose an arm make it look better than it is. Seeds that had no part in the choice do not, so the two are never
averaged: the runs of a plan that confirms a choice are in no other table than the plan's.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import pandas as pd

from dropbench.report.statistics.contrast import Contrast
from dropbench.report.tables.comparison import Comparison
from dropbench.report.tables.selection import best_of
from dropbench.store import StoredPlan
from dropbench.values import count, spans

_FRESH = "fresh seeds "
"""What the names of these tables begin with; those of other tables are ids of settings."""


def is_repeat(plan: StoredPlan) -> bool:
    """Return whether a plan trains chosen arms again under fresh seeds."""
    return plan.course is not None and bool(plan.course.rule.confirms)


def tables_of(plan: StoredPlan) -> dict[str, dict[str, list[str]]]:
    """Return the tables of a plan: the run ids of each arm's name, by table. Those of a repeat have names of their own."""
    return {f"{_FRESH}{table}": arms for table, arms in plan.tables.items()} if is_repeat(plan) else plan.tables


def repeats_of(plans: Iterable[StoredPlan], of: Iterable[StoredPlan]) -> list[StoredPlan]:
    """Return the plans that repeat an arm which was chosen by runs of the plans `of`."""
    chose = {run for plan in of for run in plan.every_run}
    return [p for p in plans if p.course is not None and not chose.isdisjoint(p.course.rule.confirms)]


def in_repeat(frame: pd.DataFrame) -> pd.Series:
    """Return for each row whether it belongs to the table of a repeat."""
    return frame["table"].map(lambda table: isinstance(table, str) and table.startswith(_FRESH)).astype(bool)


def without_repeats(frame: pd.DataFrame) -> tuple[pd.DataFrame, list[str]]:
    """Return the runs without those of repeats, unless there are no others, and a note on how many were left out."""
    repeated = in_repeat(frame)
    if not repeated.any() or repeated.all():
        return frame, []
    runs = count(frame.loc[repeated, "run_id"].nunique(), "run")
    return frame[~repeated], [
        f"Left out: {runs} of `dropbench report --confirm`, under seeds {_seeds(frame[repeated])}, which train only arms that "
        "other seeds chose."
    ]


def title(of: str, runs: pd.DataFrame) -> str:
    """Return the title of a repeat: `mlp on digits, fresh seeds 1000-1009`. of: the title without the seeds."""
    return f"{of}, {_FRESH}{_seeds(runs)}"


def _seeds(runs: pd.DataFrame) -> str:
    return spans(sorted({int(seed) for seed in runs["seed"].tolist()}))


def of_comparison(
    runs: pd.DataFrame, repeats: Sequence[Comparison], plans: Sequence[StoredPlan]
) -> tuple[Comparison, ...]:
    """Return those repeats whose arms were chosen by some of these runs, oldest first. plans: the plans that repeat."""
    ours = set(runs["run_id"])
    of_ours = {run for p in plans if p.course and not ours.isdisjoint(p.course.rule.confirms) for run in p.every_run}
    return tuple(c for c in repeats if not of_ours.isdisjoint(c.runs["run_id"]))


def under_fresh_seeds(c: Comparison) -> Mapping[str, Contrast]:
    """Return what fresh seeds say of a comparison's arms, by the arm's label there; of several repeats the newest counts.

    Only arms that were compared with the same baseline and on the same measure are among them.
    """
    ids = {arm.label: arm.arm_id for arm in c.arms}
    found: dict[str, Contrast] = {}
    for again in c.repeats:
        theirs = {arm.arm_id: arm.label for arm in again.arms}
        if again.baseline is None or c.baseline is None or theirs.get(ids[c.baseline]) != again.baseline:
            continue
        verdicts = again.against(c.measure) if c.measure is not None else {}
        found |= {label: verdicts[theirs[i]] for label, i in ids.items() if theirs.get(i) in verdicts}
    return found


def to_repeat(c: Comparison) -> list[str]:
    """Return the arms that `report --confirm` trains beside the baseline: the chosen strengths or, without any, the best arm.

    The best arm is that with the best mean on validation data. The list is empty if no regularizer at all is best.
    """
    if c.baseline is None or c.measure is None or c.fresh or c.tuned:
        return []
    if c.choices:
        return list(dict.fromkeys(k.chosen for k in c.choices if not k.idle and k.chosen != c.baseline))
    best = best_of(c.runs, c.labels, c.measure)
    return [] if best is None or best == c.baseline else [best]


def fresh_seeds(c: Comparison) -> str:
    """Return the seeds of a comparison's repeats, such as `1000-1009`."""
    return _seeds(pd.concat([again.runs for again in c.repeats]))


def spoken(label: str, contrast: Contrast) -> str:
    """Return what fresh seeds say of an arm: `standard 0.5 better, +2.35 points (95 % interval +0.75 to +3.91)`."""
    return f"{label} {contrast.verdict}, {contrast}"

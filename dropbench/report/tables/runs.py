"""Single runs as one table: each run's configuration and results, and the arm and study it belongs to."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from dropbench.report.records.frame import PACKAGES, PARTS, config_keys, rows_of, setting_keys
from dropbench.report.records.measures import Measure, Measures
from dropbench.report.tables.arms import name_arms
from dropbench.report.tables.notes.runs import first_line
from dropbench.report.tables.shown_values import vary
from dropbench.report.tables.titles import comparisons
from dropbench.store import StoredPlan
from dropbench.values import absent, plain, written

FIRST = ("run_id", "arm", "table", "study", "plan", "status", "reason", "seed")
LAST = (
    "chosen_epoch",
    "best_epoch",
    "epochs_run",
    "seconds",
    "epoch_seconds",
    "peak_memory_mb",
    "parameters",
    *(f"{part}_examples" for part in PARTS if part != "gap"),
    "data_fingerprint",
    "arm_id",
    "device",
    "threads",
    "started",
    "git_commit",
    *(f"{package}_version" for package in PACKAGES),
)
_APART = "; "
"""The separator between names, if a run belongs to several arms, studies or plans."""


@dataclass(frozen=True)
class Runs:
    """A table with one row per run.

    Parameters
    ----------
    table : DataFrame
        The columns FIRST, every configuration key, every measure in full precision (accuracies as fractions, losses in nats),
        and LAST. The values of a column have one type, or are texts; unknown, unset and null values are None or NaN.
    varying : tuple
        The configuration keys that have several values.
    measures : tuple
        The measures in the table, in the order of their columns.
    """

    table: pd.DataFrame
    varying: tuple[str, ...]
    measures: tuple[Measure, ...]


def runs_of(frame: pd.DataFrame, measures: Measures, plans: Sequence[StoredPlan]) -> Runs:
    """Return the runs, ordered by the tables and arms that a report would have, and by seed.

    frame: one row per run, or, for studies, one row for each arm that a run belongs to. plans: plans that may have these runs.
    """
    places = _places(frame, {plain(plan.baseline) for plan in plans})
    owners = {what: _owners(plans, what) for what in ("study", "plan_id")}
    known = {row["run_id"]: row for row in rows_of(frame.drop_duplicates("run_id"))}
    rows = [
        {
            **known[run],
            "arm": _joined(label for _, label in where),
            "table": _joined(title for title, _ in where),
            "study": _joined(owners["study"][run]),
            "plan": _joined(owners["plan_id"][run]),
            "reason": first_line(known[run]["reason"]),
            **{name: _whole(known[run][name]) for name in ("chosen_epoch", "best_epoch")},
        }
        for run, where in places.items()
    ]
    shown, keys = tuple(measures.within(frame)), config_keys(frame)
    columns = {name: _of_one_kind([row.get(name) for row in rows]) for name in (*FIRST, *keys, *map(str, shown), *LAST)}
    table = pd.DataFrame(columns, dtype=object).astype(dict.fromkeys(map(str, shown), float))
    return Runs(table, tuple(vary(rows, setting_keys(frame))), shown)


def _places(frame: pd.DataFrame, baselines: Collection[str]) -> dict[str, list[tuple[str, str]]]:
    """Return, by run id and in order, the title of each table that has the run, and its arm's label there."""
    places: dict[str, list[tuple[str, str]]] = defaultdict(list)
    for title, runs in comparisons(frame):
        for arm in name_arms(runs, baselines):
            ours = runs[(runs["arm_id"] == arm.arm_id) & (runs["name"].isin(arm.names) | runs["name"].isna())]
            for run in ours.drop_duplicates("run_id").sort_values("seed", kind="stable")["run_id"].tolist():
                places[run].append((title, arm.label))
    return places


def _owners(plans: Sequence[StoredPlan], what: str) -> dict[str, list[str]]:
    """Return, by run id, the studies or ids (`what`) of the plans that trained it."""
    found: dict[str, list[str]] = defaultdict(list)
    for plan in plans:
        if (name := getattr(plan, what)) is not None:
            for run in plan.trained:
                found[run].append(name)
    return found


def _joined(names: Any) -> str | None:
    return _APART.join(dict.fromkeys(map(plain, names))) or None


def _whole(number: float) -> int | None:
    return None if absent(number) else int(number)


def _of_one_kind(values: Sequence[Any]) -> list[Any]:
    """Convert values to one type (bool, int, float or else text), so that any program can hold them in a column."""
    values = [None if absent(v) else v for v in values]
    known = [v for v in values if v is not None]
    if all(isinstance(v, bool) for v in known):
        return values
    if all(isinstance(v, int | float) and not isinstance(v, bool) for v in known):
        whole = all(isinstance(v, int) for v in known)
        return values if whole else [None if v is None else float(v) for v in values]
    return [None if v is None else written(v) for v in values]

"""Regularizers beside dropout that no sweep varied: the setting of its comparison, and no difference between its arms.

Two sweeps of `dropout=none,standard`, one of them with `train.patience=6`, ask the same question twice, once with early
stopping. Each has its own baseline, so each gets a table, instead of one in which arms with early stopping are compared with a
baseline without it.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence

import pandas as pd

from dropbench.report.records.frame import rows_of, setting_keys
from dropbench.report.tables.arms import Arm, belongs_to_arm, name_arms, silent
from dropbench.report.tables.shown_values import vary_in
from dropbench.report.tables.titles import tables
from dropbench.store import StoredPlan
from dropbench.values import written


def with_contexts(frame: pd.DataFrame, plans: Sequence[StoredPlan]) -> tuple[pd.DataFrame, list[str]]:
    """Return the runs with a column `context`, and a note on each table that is split.

    A context is the words for what is beside dropout in all runs of a table of their own; it is None in the main table.
    Settings beside dropout that occur in one sweep stay together. Such a group gets a table of its own if it has an arm that
    drops nothing and another one; all other runs stay in the main table.
    """
    sweeps = [set(p.every_run) for p in plans if len(p.every_run) > 1]
    contexts: dict[int, str] = {}
    notes = []
    beside = [k for k in setting_keys(frame) if belongs_to_arm(k) and not k.startswith("dropout.")]
    for places in tables(frame) if len(sweeps) > 1 else []:
        part = frame.iloc[places]
        if part["table"].iloc[0] is not None or not vary_in(part, beside):
            continue
        apart = _apart(part, sweeps)
        contexts |= {place: apart[i] for place, i in zip(places, part["arm_id"].tolist(), strict=True) if i in apart}
        varied = {
            ".".join(k.split(".")[:2]) for k in vary_in(part, beside)
        }  # regularizer.mixup for each of its options
        notes += [_note(part, text, varied) for text in dict.fromkeys(apart.values())]
    if not contexts:
        return frame, []
    words = pd.Series([contexts.get(i) for i in range(len(frame))], frame.index, dtype=object)  # None stays None
    return frame.assign(context=words), list(dict.fromkeys(notes))


def _apart(part: pd.DataFrame, sweeps: Iterable[set[str]]) -> dict[str, str]:
    """Return the words of the context by arm id, for the arms of one table that get a table of their own."""
    arms = {arm.arm_id: arm for arm in name_arms(part)}
    of_run = dict(zip(part["run_id"].tolist(), part["arm_id"].tolist(), strict=True))
    together = _joined(
        [arm.beside for arm in arms.values()],
        ({arms[of_run[run]].beside for run in sweep & of_run.keys()} for sweep in sweeps),
    )
    idle = {str(row["arm_id"]) for row in rows_of(part.drop_duplicates("arm_id")) if silent(row)}
    whole = [group for group in together if _complete(group, arms, idle)]
    main = next((group for group in whole if "" in group), whole[0] if whole else set())
    words = {beside: " or ".join(b.removeprefix("+ ") for b in sorted(group)) for group in whole for beside in group}
    return {i: words[arm.beside] for i, arm in arms.items() if arm.beside in words and arm.beside not in main}


def _complete(group: set[str], arms: Mapping[str, Arm], idle: set[str]) -> bool:
    """Return whether a group of settings has an arm that drops nothing, and one that drops something."""
    ours = {i for i, arm in arms.items() if arm.beside in group}
    return bool(ours & idle) and bool(ours - idle)


def _joined(texts: Iterable[str], together: Iterable[set[str]]) -> list[set[str]]:
    """Return the texts in groups: texts that occur in one of the sets `together` are in one group."""
    groups: list[set[str]] = [{text} for text in dict.fromkeys(texts)]
    for known in together:
        touched = [group for group in groups if group & known]
        if len(touched) > 1:
            first = min(groups.index(group) for group in touched)
            groups[first] = set().union(*touched)
            groups = [g for i, g in enumerate(groups) if i == first or g not in touched]
    return groups


def _note(part: pd.DataFrame, context: str, varied: Collection[str]) -> str:
    """Return a note on a table of its own. varied: the keys beside dropout that differ in the runs."""
    about = f"{written(part['model'].iloc[0])} on {written(part['data'].iloc[0])}"
    said = f"{about}: no sweep compared runs with {context} with runs without it, so they have a table of their own"
    ask = (
        f"; `dropbench report --interaction dropout,{next(iter(varied))}` compares the effects in both"
        if len(varied) == 1
        else ""
    )
    return f"{said}{ask}."

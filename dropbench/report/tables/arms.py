"""Which runs are one arm, which arms can be compared, and what to call them.

A configuration key belongs to the arm if it is a regularizer's (dropout and those beside it), to the comparison
otherwise: two runs that differ in the model, the data or the length of training are in different tables.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from dropbench.report.records.frame import rows_of, setting_keys
from dropbench.values import absent, number, order, written

Row = Mapping[str, Any]

REGULARIZERS = ("train.weight_decay", "train.max_norm", "train.label_smoothing", "train.patience", "train.grad_clip")
"""The keys beside dropout, and beside AUGMENT's, that make an arm."""
AUGMENT = "train.augment."
NONE = "none"
"""The variant without noise, and the baseline that is looked for where no study names one."""
_OFF = (None, "null", "0", "false")
"""How a regularizer that is not in use reads: it is not worth a word in a label."""
_DULL = (".name", "._target_", ".version")


@dataclass(frozen=True)
class Arm:
    """One row of a table.

    name: in its plan, or None. dropout: as `standard 0.5`. setting: the same with the other regularizers that vary.
    label: what it is called, unique in its comparison.
    """

    name: str | None
    arm_id: str
    dropout: str
    setting: str
    label: str


def belongs_to_arm(key: str) -> bool:
    """Whether a configuration key is a regularizer's."""
    return key.startswith(("dropout.", AUGMENT)) or key in REGULARIZERS


def setting(row: Row) -> str:
    """`none`, `standard 0.25`, `standard {input: 0.2, *: 0.5}`, `standard 0.5 at [hidden.*]`, `standard 0.5 linear_up`."""
    name, rates, placement = row["dropout.name"], row.get("dropout.rates") or {}, row.get("dropout.placement")
    if name == NONE:
        return NONE
    words = [written(name)]
    if "*" not in rates and row.get("dropout.rate") is not None:  # "*" leaves the common rate nothing to act on
        words.append(written(row["dropout.rate"]))
    if rates:
        words.append(written(rates))
    if isinstance(placement, list | tuple):
        words.append(f"at {written(placement)}")
    if (schedule := row.get("dropout.schedule.name", "constant")) != "constant" and not absent(schedule):
        words.append(written(schedule))
    return " ".join(words)


def silent(row: Row) -> bool:
    """Whether an arm drops nothing: it has no variant, or one at rate 0 everywhere, which is the identity for all of them."""
    rates = row.get("dropout.rates") or {}
    common = [] if "*" in rates else [row.get("dropout.rate")]
    return row["dropout.name"] == NONE or all(number(r) == 0 for r in (*common, *rates.values()))


def name_arms(frame: pd.DataFrame) -> list[Arm]:
    """The arms of one comparison, in the order to show them. frame has a `name` column: the plan's, or None.

    A label is the plan's name or else the setting, then the other regularizers that vary and are on; and, where two
    would still be called the same, the setting, any key that differs, and at last the arm's id.
    """
    firsts = rows_of(frame.drop_duplicates(["name", "arm_id"]))
    keys = setting_keys(frame)
    beside = [k for k in vary(firsts, keys) if belongs_to_arm(k) and not k.startswith("dropout.")]
    settings = [setting(row) for row in firsts]
    extras = ["".join(f" {k}={written(row[k])}" for k in beside if shown(row.get(k)) not in _OFF) for row in firsts]
    labels = [(row["name"] or s) + e for row, s, e in zip(firsts, settings, extras, strict=True)]

    def tell_apart(better: Callable[[int, list[int]], str]) -> None:
        counts = Counter(labels)
        for label in [k for k, n in counts.items() if n > 1]:
            alike = [i for i, other in enumerate(labels) if other == label]
            for i, new in [(i, better(i, alike)) for i in alike]:
                labels[i] = new

    def with_setting(i: int, alike: list[int]) -> str:
        differ = firsts[i]["name"] and len({settings[j] for j in alike}) > 1
        return f"{firsts[i]['name']}: {settings[i]}{extras[i]}" if differ else labels[i]

    def with_keys(i: int, alike: list[int]) -> str:
        differ = vary([firsts[j] for j in alike], keys)
        return labels[i] + "".join(f" {k}={written(firsts[i].get(k))}" for k in differ)

    tell_apart(with_setting)
    tell_apart(with_keys)
    tell_apart(lambda i, _: f"{labels[i]} #{firsts[i]['arm_id']}")
    if firsts[0]["name"] is None:
        rows = sorted(range(len(firsts)), key=lambda i: (settings[i] != NONE, order(labels[i])))
    else:
        rows = list(range(len(firsts)))  # the plan's order
    return [Arm(firsts[i]["name"], firsts[i]["arm_id"], settings[i], settings[i] + extras[i], labels[i]) for i in rows]


def find(arms: Sequence[Arm], wanted: str) -> list[Arm]:
    """The arms that `wanted` may mean: by label if one has it, else by name in the plan, setting, dropout or id."""
    for what in ("label", "name", "setting", "dropout", "arm_id"):
        meant = [a for a in arms if getattr(a, what) == wanted]
        if meant:
            return meant
    return []


def quiet(arms: Sequence[Arm], frame: pd.DataFrame) -> list[Arm]:
    """The arms that drop nothing, if any with no other regularizer on but what all arms have: what to take for `none`."""
    firsts = {(row["name"], row["arm_id"]): row for row in rows_of(frame.drop_duplicates(["name", "arm_id"]))}
    silent_ones = [a for a in arms if silent(firsts[a.name, a.arm_id])]
    return [a for a in silent_ones if a.setting == a.dropout] or silent_ones


def comparisons(frame: pd.DataFrame) -> list[tuple[str, pd.DataFrame]]:
    """(title, rows) for each set of arms that differ in regularizers only, titles in natural order."""
    keys = [k for k in setting_keys(frame) if not belongs_to_arm(k)]
    values = {k: [shown(v) for v in frame[k].tolist()] for k in keys}
    groups: dict[tuple[str | None, ...], list[int]] = {}
    for i, group in enumerate(zip(*values.values(), strict=True)):
        groups.setdefault(group, []).append(i)
    places = list(groups.values())
    titles = _titles(rows_of(frame.iloc[[i[0] for i in places]]), keys)
    return sorted(((t, frame.iloc[i]) for t, i in zip(titles, places, strict=True)), key=lambda pair: order(pair[0]))


def vary(rows: Sequence[Row], keys: Iterable[str]) -> list[str]:
    """The keys that have more than one value in the rows; being absent counts as one."""
    return [k for k in keys if len({shown(row.get(k, math.nan)) for row in rows}) > 1]


def _titles(rows: Sequence[Row], keys: Sequence[str]) -> list[str]:
    """`mlp on mnist, n_train=1000`: examples and label noise where they were set, and what tells the comparisons apart."""
    titles = []
    for row in rows:
        told = []
        for k in keys:
            # Options of different models or data sets differ by nature; only alike ones are worth telling apart.
            group = k.split(".")[0]
            peers = [r for r in rows if group == "train" or r.get(f"{group}.name") == row.get(f"{group}.name")]
            values = {shown(r.get(k, math.nan)) for r in peers} - {None}
            value = shown(row.get(k, math.nan))
            tells = len(values) > 1 and value is not None and not k.endswith(_DULL)
            said = (k == "data.n_train" and value not in (None, "null")) or (
                k == "data.label_noise" and value not in (None, "0")
            )
            if tells or said:
                told.append(k)
        titles.append(_title(row, told))
    if len(set(titles)) == len(titles):
        return titles
    return [_title(row, vary(rows, keys)) for row in rows]


def _title(row: Row, told: Sequence[str]) -> str:
    short = Counter(k.rsplit(".", 1)[-1] for k in told)
    names = {k: k.rsplit(".", 1)[-1] for k in told}
    parts = [f"{names[k] if short[names[k]] == 1 else k}={shown(row.get(k)) or 'absent'}" for k in told]
    return ", ".join([f"{written(row.get('model'))} on {written(row.get('data'))}", *parts])


def shown(value: object) -> str | None:
    """The value's text; None for the NaN that stands for an absent key."""
    return None if absent(value) else written(value)


def legend(arms: Sequence[Arm]) -> list[str]:
    """What the plan's names stand for, where the labels do not say it: `target = standard 0.5`."""
    return [f"{a.label} = {a.setting}" for a in arms if a.setting not in a.label]

"""Groups runs into arms and gives these their names; titles.py groups arms that can be compared into tables."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from dropbench.report.records.frame import rows_of, setting_keys
from dropbench.report.tables.shown_values import Row, as_set, shown, vary
from dropbench.values import AND, absent, number, order, plain, written

REGULARIZERS = (
    "train.weight_decay",
    "train.decay_schedule",
    "train.decay_exempt",
    "train.max_norm",
    "train.label_smoothing",
    "train.class_weights",
    "train.patience",
    "train.grad_clip",
)
"""The keys that belong to the arm, beside those that start with `dropout.`, AUGMENT or BESIDE."""
AUGMENT = "train.augment."
BESIDE = "regularizer."
NONE = "none"
"""The variant without noise, and the name of the baseline if no study names one."""
_OFF = (None, "null", "0", "false", "constant")
"""Values of a regularizer that is off; labels leave it out."""
_DULL = (".name", "._target_", ".version")
_CHOSEN = ("model.name", "data.name", "dropout.name", "dropout.schedule.name")
"""The keys that name the chosen option of a group. They may be in labels, although other keys that end like _DULL may not."""
IN_WORDS = re.compile(r"dropout\.(?:[^.]+\.)?(?:name|rate|rates|placement|schedule\.name)")
"""The keys that `setting` puts into words: those of a single variant, or of each of several under its name."""
_OF_ONE = re.compile(r"dropout\.([^.]+)\.rate")


@dataclass(frozen=True)
class Arm:
    """One row of a table.

    names: its names in its study; several if points of a sweep call the same runs differently (a `target` at rate 0.1 is the
    `reduced` of a target at 0.2). dropout: such as `standard 0.5`. setting: dropout and the other regularizers that vary; for a
    study's arm, everything in which its arms differ, and dropout only if they differ in it. label: its name, unique in its
    comparison. beside: the part of the setting that is not dropout.
    """

    names: tuple[str, ...]
    arm_id: str
    dropout: str
    setting: str
    label: str
    beside: str = ""


def belongs_to_arm(key: str) -> bool:
    """Return whether a configuration key belongs to a regularizer."""
    return key.startswith(("dropout.", AUGMENT, BESIDE)) or key in REGULARIZERS


def setting(row: Row) -> str:
    """Return an arm's dropout in words; several variants are joined, as in `locked 0.4 + weight_drop 0.5`.

    Examples: `none`, `standard 0.25`, `standard {input: 0.2, *: 0.5}`, `standard 0.5 at [hidden.*]`, `standard 0.5 linear_up`.
    """
    return AND.join(_in_words(row, name, key) for name, key in variants_of(row).items())


def variants_of(row: Row) -> dict[str, str]:
    """Map an arm's variants, by name and in order, to the prefix of their keys: `dropout.`, or `dropout.locked.` if several."""
    names = str(row["dropout.name"]).split(AND)
    return {names[0]: "dropout."} if len(names) == 1 else {name: f"dropout.{name}." for name in names}


def own_rate(row: Row, key: str) -> str | None:
    """Return the value of a key such as `dropout.locked.rate` for an arm, 0 if it lacks that variant; None for other keys."""
    if (found := _OF_ONE.fullmatch(key)) is None:
        return None
    begin = variants_of(row).get(found[1])
    return "0" if begin is None else shown(row.get(f"{begin}rate", math.nan))


def _in_words(row: Row, name: str, key: str) -> str:
    rates, placement = _rates(row, key), row.get(f"{key}placement")
    if name == NONE:
        return NONE
    words = [written(name)]
    rate = row.get(f"{key}rate")
    if "*" not in rates and rate is not None and not absent(rate):  # with "*", the common rate applies to no site
        words.append(written(rate))
    if rates:
        words.append(written(rates))
    if isinstance(placement, list | tuple):
        words.append(f"at {written(placement)}")
    if (schedule := row.get(f"{key}schedule.name", "constant")) != "constant" and not absent(schedule):
        words.append(written(schedule))
    return " ".join(words)


def _rates(row: Row, key: str) -> Mapping[str, Any]:
    rates = row.get(f"{key}rates")
    return rates if isinstance(rates, Mapping) else {}


def silent(row: Row) -> bool:
    """Return whether an arm drops nothing: it has no variant, or all rates are 0, which makes every variant the identity."""
    return all(_silent(row, name, key) for name, key in variants_of(row).items())


def _silent(row: Row, name: str, key: str) -> bool:
    rates = _rates(row, key)
    common = [] if "*" in rates else [row.get(f"{key}rate")]
    return name == NONE or all(number(r) == 0 for r in (*common, *rates.values()))


def name_arms(frame: pd.DataFrame, baselines: Collection[str] = ()) -> list[Arm]:
    """Return the arms of one comparison, in display order.

    A label is the study's name for the arm (`reduced/target` if it has two) or, without one, its setting. As long as two arms
    share a name, the setting, the keys that differ, and finally the arm's id are added.

    frame: has a `name` column, the study's name or None, and a `table` column if it belongs to a study with known tables.
    baselines: names of arms that stay apart, since a search may find their setting again, and that is a result.
    """
    firsts, names = _first_rows(frame, baselines)
    said = ["/".join(of_arm) for of_arm in names]
    keys = setting_keys(frame)
    differing = vary(firsts, keys)  # only these keys can distinguish arms
    dropouts = [setting(row) for row in firsts]
    named = [k for k in keys if k in set(differing) or k.startswith(BESIDE)]
    of_study = firsts[0].get("table") is not None
    besides = [_beside(row, firsts, named, of_study=of_study) for row in firsts]
    # The word `none` is only used for an arm that has no other regularizer in its label.
    quietly = [words == NONE and told_beside(row, firsts, named) for row, words in zip(firsts, dropouts, strict=True)]
    spoken = ["" if told else words for told, words in zip(quietly, dropouts, strict=True)]
    settings = [_joined(words, beside) for words, beside in zip(spoken, besides, strict=True)]
    if of_study:
        settings = _only_differing(dropouts, besides, firsts, differing)
        labels = list(said)
    else:
        labels = [_joined(name or words, b) for name, words, b in zip(said, spoken, besides, strict=True)]

    def tell_apart(better: Callable[[int, list[int]], str]) -> None:
        counts = Counter(labels)
        for label in [k for k, n in counts.items() if n > 1]:
            alike = [i for i, other in enumerate(labels) if other == label]
            labels[:] = [better(i, alike) if i in alike else other for i, other in enumerate(labels)]

    def with_setting(i: int, alike: list[int]) -> str:
        return f"{said[i]}: {settings[i]}" if said[i] and len({settings[j] for j in alike}) > 1 else labels[i]

    def with_keys(i: int, alike: list[int]) -> str:
        differ = vary([firsts[j] for j in alike], keys)
        return labels[i] + "".join(f" {k}={written(firsts[i].get(k))}" for k in differ)

    for i, ours in enumerate(names):
        labels[i] = with_setting(
            i, [i, *(j for j, theirs in enumerate(names) if ours != theirs and {*ours} & {*theirs})]
        )
    tell_apart(with_setting)
    tell_apart(with_keys)
    tell_apart(lambda i, _: f"{labels[i]} #{firsts[i]['arm_id']}")
    planned = range(len(firsts))  # the plan's
    rows = planned if names[0] else sorted(planned, key=lambda i: (dropouts[i] != NONE, order(labels[i])))
    return [Arm(names[i], firsts[i]["arm_id"], dropouts[i], settings[i], labels[i], besides[i]) for i in rows]


def _first_rows(frame: pd.DataFrame, baselines: Collection[str]) -> tuple[list[Row], list[tuple[str, ...]]]:
    """Return a row of each arm, and its names. baselines: as in `name_arms`."""
    found: dict[tuple[object, ...], list[Row]] = {}
    for row in rows_of(frame.drop_duplicates(["name", "arm_id"])):
        found.setdefault((row["arm_id"], row["name"] in baselines), []).append(row)
    alike = list(found.values())
    return [rows[0] for rows in alike], [tuple(str(r["name"]) for r in rows if r["name"] is not None) for rows in alike]


def _joined(*words: str) -> str:
    return " ".join(word for word in words if word).removeprefix("+ ")


def _beside(row: Row, rows: Sequence[Row], keys: Sequence[str], *, of_study: bool) -> str:
    """Return what distinguishes an arm besides its dropout: the regularizers that are on or, in a study, any key."""
    told = [k for k in keys if not IN_WORDS.fullmatch(k) and not k.startswith(BESIDE) and tells(row, rows, k)]
    if not of_study:
        told = [k for k in told if belongs_to_arm(k) and not k.startswith("dropout.")]
    on = [k for k in told if not (_is_regularizer(k) and shown(row.get(k)) in _OFF)]
    return " ".join(word for word in (*told_beside(row, rows, keys), as_settings(row, on)) if word)


def told_beside(row: Row, rows: Sequence[Row], keys: Sequence[str]) -> list[str]:
    """Return the words for the regularizers that distinguish an arm: `+ mixup 0.2 + sam 0.05 linear_up`.

    Options are included if they differ among the arms that have the regularizer.
    """
    words = []
    for whole in regularizers_of(row, keys):
        own, schedule = _options(whole, keys), f"{whole}schedule.name"
        if not any(tells(row, rows, k) for k in own) and not _differ(row, rows, schedule):
            continue
        key = f"{whole}name"
        strength, peers = whole + str(row[f"{whole}strength"]), [r for r in rows if not absent(r.get(key, math.nan))]
        options = [k for k in own if k != strength and tells(row, peers, k)]
        words += ["+", *_strength(row, whole), *(f"{k.removeprefix(whole)}={written(row.get(k))}" for k in options)]
    return words


def in_all(rows: Sequence[Row], keys: Sequence[str]) -> list[str]:
    """Return the regularizers beside dropout that are on and equal in all of these arms, and therefore in no label."""
    row = rows[0]
    alike = [
        whole
        for whole in regularizers_of(row, keys)
        if not any(_differ(row, rows, k) for k in (*_options(whole, keys), f"{whole}schedule.name"))
    ]
    on = [
        k for k in keys if _is_regularizer(k) and not k.startswith(BESIDE) and shown(row.get(k, math.nan)) not in _OFF
    ]
    shared = [k for k in on if shown(row.get(k, math.nan)) is not None and not _differ(row, rows, k)]
    return [*(" ".join(_strength(row, whole)) for whole in alike), *(as_settings(row, [k]) for k in shared)]


def regularizers_of(row: Row, keys: Sequence[str]) -> list[str]:
    """Return the key prefixes of the regularizers of the group `regularizer` that an arm has, such as `regularizer.mixup.`."""
    named = [k for k in keys if k.startswith(BESIDE) and k.endswith(".name") and not k.endswith(".schedule.name")]
    return [k.removesuffix("name") for k in named if not absent(row.get(k, math.nan))]


def _options(whole: str, keys: Sequence[str]) -> list[str]:
    return [k for k in keys if k.startswith(whole) and not k.endswith(_DULL)]


def _strength(row: Row, whole: str) -> list[str]:
    """Return the words for a regularizer's strength and schedule: `mixup 0.2 linear_up`."""
    schedule = row.get(f"{whole}schedule.name")
    words = [whole.removeprefix(BESIDE).removesuffix("."), written(row.get(whole + str(row[f"{whole}strength"])))]
    return words + ([] if schedule in (None, "constant") or absent(schedule) else [written(schedule)])


def _differ(row: Row, rows: Sequence[Row], key: str) -> bool:
    """Return whether the key has another value in any of the rows, or is absent there."""
    return any(shown(r.get(key, math.nan)) != shown(row.get(key, math.nan)) for r in rows)


def _only_differing(
    dropouts: Sequence[str], besides: Sequence[str], rows: Sequence[Row], keys: Sequence[str]
) -> list[str]:
    """Return the settings of a study's arms: dropout if they differ in it, and what is beside it. None of them is empty."""
    spoken = dropouts if len(set(dropouts)) > 1 else [""] * len(dropouts)
    settings = [_joined(words, beside) for words, beside in zip(spoken, besides, strict=True)]
    beside = [k for k in keys if _is_regularizer(k) and not k.startswith(BESIDE)]
    off = [as_settings(row, [k for k in beside if tells(row, rows, k)]) for row in rows]
    return [setting or no or words for setting, no, words in zip(settings, off, dropouts, strict=True)]


def as_settings(row: Row, keys: Iterable[str]) -> str:
    """Return keys and values as typed: `model=cnn train.lr=0.1`."""
    return " ".join(f"{k.removesuffix('.name')}={written(row.get(k))}" for k in keys)


def _is_regularizer(key: str) -> bool:
    return belongs_to_arm(key) and not key.startswith("dropout.")


def tells(row: Row, rows: Sequence[Row], key: str) -> bool:
    """Return whether a key distinguishes a row. Options of a group are compared only between rows with the same choice."""
    if key.endswith(_DULL) and key not in _CHOSEN:
        return False
    chosen = next((c for c in ("dropout.schedule.name", *_CHOSEN) if key.startswith(c.removesuffix("name"))), None)
    peers = rows if chosen in (None, key) else [r for r in rows if r.get(chosen) == row.get(chosen)]
    value = row.get(key, math.nan)
    return shown(value) is not None and any(as_set(r.get(key, math.nan)) != as_set(value) for r in peers)


def find(arms: Sequence[Arm], wanted: str) -> list[Arm]:
    """Return the arms that `wanted` may mean: by label if one has it, else by name in the plan, setting, dropout or id.

    Names are compared as printed, so a control character in `wanted` matches the text that is printed in its place.
    """
    for name in dict.fromkeys((wanted, plain(wanted))):
        for what in ("label", "names", "setting", "dropout", "arm_id"):
            meant = [a for a in arms if (name in a.names if what == "names" else getattr(a, what) == name)]
            if meant:
                return meant
    return []


def quiet(arms: Sequence[Arm], frame: pd.DataFrame) -> list[Arm]:
    """Return the arms that drop nothing, as candidates for `none`; if some have no regularizer of their own, only those."""
    firsts = {row["arm_id"]: row for row in rows_of(frame.drop_duplicates("arm_id"))}
    silent_ones = [a for a in arms if silent(firsts[a.arm_id])]
    return [a for a in silent_ones if not a.beside] or silent_ones


def unscheduled(arms: Sequence[Arm], frame: pd.DataFrame) -> list[Arm]:
    """Return the one arm with a constant rate, if every other arm differs from it only in the schedule; else an empty list."""
    by_id = {row["arm_id"]: row for row in rows_of(frame.drop_duplicates("arm_id"))}
    rows = {arm.label: by_id[arm.arm_id] for arm in arms}
    keys = [k for k in setting_keys(frame) if not k.startswith("dropout.schedule.")]
    schedules = {label: row.get("dropout.schedule.name") for label, row in rows.items()}
    still = [a for a in arms if schedules[a.label] in (None, "constant") or absent(schedules[a.label])]
    alike = not vary(list(rows.values()), keys)
    return still if alike and len(still) == 1 < len(arms) else []


def legend(arms: Sequence[Arm]) -> list[str]:
    """Return what the plan's names stand for, if the labels do not say it: `target = standard 0.5`."""
    return [f"{a.label} = {a.setting}" for a in arms if a.setting not in a.label]

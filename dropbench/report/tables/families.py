"""Families: arms that differ only in strengths, such as rates of a variant, from which the best one is chosen.

A part of an arm is anything with a strength: its dropout, another regularizer, a key of training such as weight decay. Arms
with the same parts form a family. Arms with fewer parts are listed beside it, so that going without a part is among the
options.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

import pandas as pd

from dropbench.report.records.frame import rows_of, setting_keys
from dropbench.report.tables.arms import (
    AUGMENT,
    BESIDE,
    IN_WORDS,
    Arm,
    as_settings,
    regularizers_of,
    setting,
    silent,
    tells,
    told_beside,
)
from dropbench.report.tables.shown_values import Row
from dropbench.values import AND, absent, number, written

RATE = "dropout.rate"
"""The key that stands for all rates of an arm: common rates, rates of sites, and those of each of several variants."""
_RATES = re.compile(r"dropout\.(?:[^.]+\.)?rates?")
_OF_TRAINING = ("train.weight_decay", "train.label_smoothing", "train.max_norm", "train.grad_clip")
_TUNED = "tuned"
"""Stands for the value of a key that was tuned for an arm."""
_BEGINS = {RATE: ("dropout.",), "train.weight_decay": ("train.weight_decay", "train.decay_")}
"""The prefixes of a part's keys, by the key of its strength, if it has other keys too."""


@dataclass(frozen=True)
class Family:
    """Arms that differ only in strengths (labels), and arms like them without some of these parts (idle), in the table's order.

    name: the parts whose strengths differ. strengths: the keys that differ; `dropout.rate` stands for all rates.
    """

    name: str
    strengths: tuple[str, ...]
    labels: tuple[str, ...]
    idle: tuple[str, ...]


@dataclass(frozen=True)
class _Settings:
    """The settings of an arm, split into strengths and other keys.

    row: one run of the arm. parts: the strength keys of the parts that are on. sizes: the values of the strengths, by part.
    fixed: the values of all other keys that have an effect.
    """

    row: Row
    parts: frozenset[str]
    fixed: dict[str, str]
    sizes: dict[str, tuple[str, ...]]

    @classmethod
    def of(cls, row: Row, keys: Sequence[str], known: frozenset[str], tuned: Collection[str]) -> _Settings:
        """Split the settings of a row; known: the parts of all arms. tuned: keys that were tuned for this arm.

        Arms may differ in a tuned key and still differ only in strengths: each has the value that suits it best.
        """
        parts = _parts(row, keys)
        off = tuple(begin for part in known - parts for begin in _begins(part))
        texts = {k: "" if absent(row[k]) else written(row[k]) for k in keys if not k.startswith(off)}
        sizes = {part: tuple(text for k, text in texts.items() if _is_strength(k, part)) for part in parts}
        fixed = {
            k: _TUNED if k in tuned else text
            for k, text in texts.items()
            if not any(_is_strength(k, part) for part in parts)
        }
        return cls(row, parts, fixed, sizes)

    def without(self, parts: frozenset[str]) -> dict[str, str]:
        """Return the values of the other keys, except keys of the given parts."""
        off = tuple(begin for part in parts for begin in _begins(part))
        return {k: text for k, text in self.fixed.items() if not k.startswith(off)}


def families(
    runs: pd.DataFrame, arms: Sequence[Arm], tuned: Mapping[str, Collection[str]] | None = None
) -> list[Family]:
    """Return the families with several arms, in the table's order.

    Parameters
    ----------
    runs : DataFrame
        Runs with the column `label`.
    arms : sequence
        Their arms, in the table's order.
    tuned : mapping, optional
        By label, the keys whose values were tuned for an arm by itself.
    """
    keys = setting_keys(runs)
    rows = {row["label"]: row for row in rows_of(runs.drop_duplicates("label"))}
    known = frozenset(part for row in rows.values() for part in _parts(row, keys)) | {RATE}
    by_arm = tuned or {}
    all_arms = {arm.label: _Settings.of(rows[arm.label], keys, known, by_arm.get(arm.label, ())) for arm in arms}
    alike: dict[tuple[object, ...], list[str]] = {}
    for label, own in all_arms.items():
        alike.setdefault((own.parts, *sorted(own.fixed.items())), []).append(label)
    several = [labels for labels in alike.values() if _differing([all_arms[label] for label in labels])]
    members = [[all_arms[label] for label in labels] for labels in several]
    names = _names([own[0] for own in members], [_differing(own) for own in members], keys)
    return [
        Family(
            name,
            tuple(_differing(own)),
            tuple(labels),
            tuple(label for label, other in all_arms.items() if _lacks(other, own)),
        )
        for name, labels, own in zip(names, several, members, strict=True)
    ]


def _parts(row: Row, keys: Sequence[str]) -> frozenset[str]:
    """Return the strength keys of all parts that are on in an arm."""
    beside = [f"{whole}{row[f'{whole}strength']}" for whole in regularizers_of(row, keys)]
    trained = [k for k in keys if (k in _OF_TRAINING or k.startswith(AUGMENT)) and number(row[k])]
    return frozenset([*[RATE] * (not silent(row)), *beside, *(k for k in trained if not absent(row[k]))])


def _begins(part: str) -> tuple[str, ...]:
    return _BEGINS.get(part, (f"{part.rpartition('.')[0]}." if part.startswith(BESIDE) else part,))


def _is_strength(key: str, part: str) -> bool:
    return bool(_RATES.fullmatch(key)) if part == RATE else key == part


def _differing(members: Sequence[_Settings]) -> list[str]:
    """Return the parts whose strength differs between these arms."""
    parts = sorted(members[0].parts, key=lambda part: (part != RATE, not part.startswith(BESIDE), part))
    return [part for part in parts if len({own.sizes[part] for own in members}) > 1]


def _lacks(other: _Settings, members: Sequence[_Settings]) -> bool:
    """Return whether an arm equals one of the members, except that it lacks some of the parts whose strengths differ."""
    lacking = members[0].parts - other.parts
    if not lacking or not other.parts < members[0].parts or not lacking <= set(_differing(members)):
        return False
    same = members[0].without(lacking) == other.without(lacking)
    return same and all(size in {own.sizes[part] for own in members} for part, size in other.sizes.items())


def _names(firsts: Sequence[_Settings], differing: Sequence[Sequence[str]], keys: Sequence[str]) -> list[str]:
    """Return a name for each family: its parts, and the rest of its setting if another family has the same parts."""
    short = [AND.join(_name(own.row, part) for part in parts) for own, parts in zip(firsts, differing, strict=True)]
    return [
        name if short.count(name) == 1 else _in_full(name, own.row, parts, alike, keys)
        for name, own, parts in zip(short, firsts, differing, strict=True)
        for alike in [[o.row for o, other in zip(firsts, short, strict=True) if other == name]]
    ]


def _name(row: Row, part: str) -> str:
    if part == RATE:
        return written(row["dropout.name"])
    return part.split(".")[1] if part.startswith(BESIDE) else part.removeprefix("train.")


def _in_full(name: str, row: Row, parts: Sequence[str], alike: Sequence[Row], keys: Sequence[str]) -> str:
    """Return the name with what else differs: dropout's schedule and placement or, if no rates are chosen, all of dropout."""
    if RATE in parts:
        more = [row.get(k) for k in ("dropout.schedule.name", "dropout.placement")]
        words = [written(v) for v in more if v is not None and not absent(v) and v != "constant"]
    else:
        words = [] if len({setting(r) for r in alike}) == 1 or silent(row) else ["beside", setting(row)]
    rest = [k for k in keys if not any(k.startswith(_begins(part)) for part in parts if part != RATE)]
    told = [k for k in rest if not IN_WORDS.fullmatch(k) and not k.startswith(BESIDE) and tells(row, alike, k)]
    return " ".join(word for word in (name, *words, *told_beside(row, alike, rest), as_settings(row, told)) if word)

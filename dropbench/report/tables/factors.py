"""Groups arms by the values of configuration keys: arms that differ in one key only, and the cells that two keys form."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from dropbench.errors import UsageError
from dropbench.report.records.filters import ABSENT, PLAIN, column_of
from dropbench.report.records.frame import rows_of, setting_keys
from dropbench.report.tables.arms import BESIDE, NONE, setting, silent, variants_of
from dropbench.report.tables.comparison import Comparison
from dropbench.report.tables.shown_values import Row, shown
from dropbench.values import absent, number, order, written

DROPOUT = "dropout."
_NAME = "dropout.name"
_RATE = re.compile(r"dropout\.(?:([^.]+)\.)?rate")


@dataclass(frozen=True)
class Series:
    """Arms that differ in one key only.

    name: the part of the labels without the key. levels: the key's value by label, in the order of the values.
    """

    name: str
    key: str
    levels: Mapping[str, str]

    @property
    def labels(self) -> list[str]:
        """The labels of the arms, in the order of their levels."""
        return list(self.levels)

    def sizes(self) -> list[float]:
        """Return the levels as numbers; raise UsageError if one is not a finite number."""
        found = []
        for label, level in self.levels.items():
            if (size := number(level)) is None or not math.isfinite(size):
                raise UsageError(
                    f"{self.key}={level} of {label} is not a number; leave this arm out with a --where condition"
                )
            found.append(size)
        return found


@dataclass(frozen=True)
class Factors:
    """The settings of some arms.

    rows: one run of each arm, by its label, in the table's order. keys: the configuration keys that identify a run.
    """

    rows: Mapping[str, Row]
    keys: Sequence[str]
    whole: Comparison

    @classmethod
    def of(cls, whole: Comparison) -> Factors:
        """Return the settings of all arms of a comparison."""
        firsts = {row["label"]: row for row in rows_of(whole.runs.drop_duplicates("label"))}
        return cls({label: firsts[label] for label in whole.labels}, setting_keys(whole.runs), whole)

    def apart(self, *keys: str) -> Factors:
        """Return the same with every variant's keys under its name, if a given key is the rate of a named variant.

        The name is used even if the variant is alone in its arm. The arms `none`, `standard`, `locked` and `standard + locked`
        then differ in `dropout.standard.rate` and `dropout.locked.rate`.
        """
        if not any((rate := _RATE.fullmatch(key)) and rate[1] for key in keys):
            return self
        rows = {label: _apart(row) for label, row in self.rows.items()}
        of_variants = dict.fromkeys(k for row in rows.values() for k in row if k.startswith(DROPOUT) and k != _NAME)
        return Factors(rows, [*(k for k in self.keys if not k.startswith(DROPOUT)), *of_variants], self.whole)

    def levels(self, key: str) -> dict[str, str]:
        """Return the value of a typed key by label; `model` and `dropout` stand for all keys of their group.

        An arm without dropout has a rate of 0, and an arm without a regularizer has the strength at which that has no effect.
        `dropout.locked.rate` also applies to arms with `locked` alone. Raises UsageError for a key that is unknown or not a
        setting of an arm.
        """
        column = self._column(key)
        if column == _NAME:
            return {label: setting(row) for label, row in self.rows.items()}
        rate, none = _RATE.fullmatch(column), self._none_of(column)

        def level(row: Row) -> str:
            if rate and (silent(row) or (rate[1] and rate[1] not in variants_of(row))):
                return "0"
            if none and not rate and self._idle(row, column):
                return none
            of_one = rate and row[_NAME] == rate[1] and column not in row
            return shown(row.get(f"{DROPOUT}rate" if of_one else column, math.nan)) or ABSENT

        return {label: level(row) for label, row in self.rows.items()}

    def series(self, key: str) -> list[Series]:
        """Return the sets of two or more arms that differ in this key only; raise UsageError if there is none.

        If the key belongs to dropout, an arm that drops nothing is in every set; if it is the strength of a regularizer, an arm
        without that regularizer is.
        """
        levels, beside, column = self.levels(key), self._beside(key), self._column(key)
        whole = column.startswith(DROPOUT) or self._none_of(column) is not None
        joins = [label for label, row in self.rows.items() if whole and self._idle(row, column)]
        groups: dict[tuple[str, ...], list[str]] = {}
        for label in self.rows:
            if label not in joins:
                groups.setdefault(self._texts(label, beside), []).append(label)
        outside = [k for k in beside if not k.startswith(_group(column))]
        found = []
        for group in groups.values():
            alike = [label for label in joins if self._texts(label, outside) == self._texts(group[0], outside)]
            labels = self.one_a_level([*alike, *group], levels, key)
            if len(labels) > 1:
                found.append(Series(_common(group, key, levels), key, {label: levels[label] for label in labels}))
        if not found:
            values = list(dict.fromkeys(sorted(levels.values(), key=order)))
            raise UsageError(f"{key}: no two arms here differ in this key alone; its values are {', '.join(values)}")
        return found

    def one_a_level(self, labels: Sequence[str], levels: Mapping[str, str], said: str) -> list[str]:
        """Return one label per level, in the order of the levels; of several labels of the same arm, the first.

        levels: the level of each label. said: the key, for the message. Raises UsageError if a level has several arms.
        """
        at: dict[str, str] = {}
        for label in labels:
            other = at.setdefault(levels[label], label)
            if keys := self.differing([other, label]):
                key = keys[0]
                # Arms without a regularizer have no value for its options, and the filter must keep them.
                of_option = key.startswith(BESIDE) and key.count(".") > 1
                sign, value = ("!=", label) if of_option else ("=", other)
                raise UsageError(
                    f"{said}={levels[label]} belongs to several arms, such as '{other}' and '{label}', which differ in "
                    f"{', '.join(keys)}; choose by a filter, as in {key}{sign}{self._text(value, self._column(key))}"
                )
        return [at[level] for level in sorted(at, key=order)]

    def differing(self, labels: Sequence[str], *but: str) -> list[str]:
        """Return the keys in which some arms differ, except those that the typed keys `but` stand for."""
        keys = set(self._beside(*but))
        found = [k for k in self.keys if k in keys and len({self._text(label, k) for label in labels}) > 1]
        # If only some arms have a regularizer, its name is listed instead of its options.
        lacking = [k.removesuffix(".name") for k in found if k.startswith(BESIDE) and k.endswith(".name")]
        lacking = [name for name in lacking if not name.endswith(".schedule")]
        return [*(k for k in found if not k.startswith(tuple(f"{name}." for name in lacking))), *lacking]

    def follows(self, key: str, labels: Sequence[str], levels: Mapping[str, str]) -> bool:
        """Return whether a key has only one value at each of these levels, so that the level determines the value."""
        at: dict[str, set[str]] = {}
        for label in labels:
            if not self._idle(self.rows[label], key):
                at.setdefault(levels[label], set()).add(self._text(label, key))
        return all(len(texts) == 1 for texts in at.values())

    def _none_of(self, column: str) -> str | None:
        """Return the level that an arm without the regularizer has, if the key is a strength; None for any other key."""
        if column == f"{DROPOUT}rate":
            return "0"
        group, _, option = column.rpartition(".")
        for row in self.rows.values() if column.startswith(BESIDE) else ():
            if row.get(f"{group}.strength") == option:
                off = row.get(f"{group}.none_at", 0)
                return "0" if absent(off) else f"{off:g}"
        return None

    def _idle(self, row: Row, key: str) -> bool:
        """Return whether an arm lacks the regularizer, or the dropout, of which the key is an option."""
        if key.startswith(BESIDE):
            return absent(row.get(f"{_group(key)}name", math.nan))
        return key.startswith(DROPOUT) and silent(row)

    def _column(self, key: str) -> str:
        column = column_of(self.whole.runs, key)
        if column in PLAIN:
            raise UsageError(f"{key} is not a setting of an arm; name a key such as train.weight_decay")
        return column

    def _beside(self, *keys: str) -> list[str]:
        """Return the keys that the typed ones do not stand for."""
        columns = [self._column(key) for key in keys]
        groups = tuple(c.removesuffix("name") for c in columns if c.endswith(".name"))
        return [k for k in self.keys if k not in columns and not k.startswith(groups)]

    def _texts(self, label: str, keys: Sequence[str]) -> tuple[str, ...]:
        return tuple(self._text(label, k) for k in keys)

    def _text(self, label: str, key: str) -> str:
        value = self.rows[label].get(key, math.nan)
        return ABSENT if shown(value) is None else written(value)


def _common(labels: Sequence[str], key: str, levels: Mapping[str, str]) -> str:
    """Return the common part of the labels without the key's value: `standard` for `standard 0.1` and `standard 0.5`."""
    said = dict.fromkeys(
        re.sub(rf"( {re.escape(key)}=\S+|(^| ){re.escape(levels[label])}(?= |$))", "", label, count=1).strip()
        for label in labels
    )
    return next(iter(said)) if len(said) == 1 else f"{labels[0]} to {labels[-1]}"


def _group(key: str) -> str:
    """Return the prefix of the keys that have no effect if their regularizer is off: `dropout.`, `regularizer.mixup.`."""
    return ".".join(key.split(".")[:2]) + "." if key.startswith(BESIDE) else DROPOUT


def _apart(row: Row) -> Row:
    """Return the row with the keys of each of its variants under the variant's name."""
    found = {k: v for k, v in row.items() if not k.startswith(DROPOUT) or k == _NAME}
    for name, begin in variants_of(row).items():
        own = {k.removeprefix(begin): v for k, v in row.items() if k.startswith(begin) and not absent(v)}
        found |= {f"{DROPOUT}{name}.{key}": value for key, value in own.items() if name != NONE and key != "name"}
    return found

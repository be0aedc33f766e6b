"""The arms by the levels of a configuration key: which differ in it alone, and which cells two keys make."""

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
    """Arms that differ in one key alone.

    name: what else they are called. levels: the key's value by label, in the order of the values.
    """

    name: str
    key: str
    levels: Mapping[str, str]

    @property
    def labels(self) -> list[str]:
        """In the order of their levels."""
        return list(self.levels)

    def sizes(self) -> list[float]:
        """The levels as numbers. Raises UsageError for one that is none."""
        found = []
        for label, level in self.levels.items():
            if (size := number(level)) is None or not math.isfinite(size):
                raise UsageError(f"{self.key}={level} of {label} is no number; leave it out by a --where condition")
            found.append(size)
        return found


@dataclass(frozen=True)
class Factors:
    """The settings of some arms.

    rows: one run of each arm by its label, in the table's order. keys: those that make a run what it is.
    """

    rows: Mapping[str, Row]
    keys: Sequence[str]
    whole: Comparison

    @classmethod
    def of(cls, whole: Comparison) -> Factors:
        """Of all arms of a comparison."""
        firsts = {row["label"]: row for row in rows_of(whole.runs.drop_duplicates("label"))}
        return cls({label: firsts[label] for label in whole.labels}, setting_keys(whole.runs), whole)

    def apart(self, *keys: str) -> Factors:
        """With the keys of each variant under its name, be it alone in its arm or not, where a key is of one of several.

        So the arms of `none`, `standard`, `locked` and both differ in `dropout.standard.rate` and `dropout.locked.rate`.
        """
        if not any((rate := _RATE.fullmatch(key)) and rate[1] for key in keys):
            return self
        rows = {label: _apart(row) for label, row in self.rows.items()}
        of_variants = dict.fromkeys(k for row in rows.values() for k in row if k.startswith(DROPOUT) and k != _NAME)
        return Factors(rows, [*(k for k in self.keys if not k.startswith(DROPOUT)), *of_variants], self.whole)

    def levels(self, key: str) -> dict[str, str]:
        """By label what a typed key is set to: `model` and `dropout` stand for all of their group.

        A rate of nothing is a rate of 0, and so is the strength of a regularizer that an arm does not have that which is none;
        `dropout.locked.rate` is that of `locked` alone too. Raises UsageError for a key that is unknown, or none of an arm's
        settings.
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
        """The sets of two and more arms that differ in this key alone.

        One that drops nothing is in all of them, if the key is dropout's; and one without a regularizer, if it is its strength.
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
            raise UsageError(f"{key}: no two arms here differ in it alone; it is {', '.join(values)}")
        return found

    def one_a_level(self, labels: Sequence[str], levels: Mapping[str, str], said: str) -> list[str]:
        """The labels in the order of their levels, without the further names of an arm that has several.

        levels: by label. said: what they are levels of. Raises UsageError where a level is of several arms.
        """
        at: dict[str, str] = {}
        for label in labels:
            other = at.setdefault(levels[label], label)
            if keys := self.differing([other, label]):
                key = keys[0]
                # Arms without a regularizer have no value of its options, and are to stay.
                of_option = key.startswith(BESIDE) and key.count(".") > 1
                sign, value = ("!=", label) if of_option else ("=", other)
                raise UsageError(
                    f"{said}={levels[label]} is of several arms, such as '{other}' and '{label}', which differ in "
                    f"{', '.join(keys)}; choose by a filter, as in {key}{sign}{self._text(value, self._column(key))}"
                )
        return [at[level] for level in sorted(at, key=order)]

    def differing(self, labels: Sequence[str], *but: str) -> list[str]:
        """The keys in which some arms differ, without those that the typed keys stand for."""
        keys = set(self._beside(*but))
        found = [k for k in self.keys if k in keys and len({self._text(label, k) for label in labels}) > 1]
        # Where one has a regularizer that another has not, its options are not worth a word.
        lacking = [k.removesuffix(".name") for k in found if k.startswith(BESIDE) and k.endswith(".name")]
        lacking = [name for name in lacking if not name.endswith(".schedule")]
        return [*(k for k in found if not k.startswith(tuple(f"{name}." for name in lacking))), *lacking]

    def follows(self, key: str, labels: Sequence[str], levels: Mapping[str, str]) -> bool:
        """Whether a key has one value at each of these levels, which then say all of it."""
        at: dict[str, set[str]] = {}
        for label in labels:
            if not self._idle(self.rows[label], key):
                at.setdefault(levels[label], set()).add(self._text(label, key))
        return all(len(texts) == 1 for texts in at.values())

    def _none_of(self, column: str) -> str | None:
        """How the level of an arm reads that has nothing of what this key says the strength of; None of any other key."""
        if column == f"{DROPOUT}rate":
            return "0"
        group, _, option = column.rpartition(".")
        for row in self.rows.values() if column.startswith(BESIDE) else ():
            if row.get(f"{group}.strength") == option:
                off = row.get(f"{group}.none_at", 0)
                return "0" if absent(off) else f"{off:g}"
        return None

    def _idle(self, row: Row, key: str) -> bool:
        """Whether an arm has nothing of what a key is an option of."""
        if key.startswith(BESIDE):
            return absent(row.get(f"{_group(key)}name", math.nan))
        return key.startswith(DROPOUT) and silent(row)

    def _column(self, key: str) -> str:
        column = column_of(self.whole.runs, key)
        if column in PLAIN:
            raise UsageError(f"{key} is no setting of an arm; name a key such as train.weight_decay")
        return column

    def _beside(self, *keys: str) -> list[str]:
        """The keys that the typed ones do not stand for."""
        columns = [self._column(key) for key in keys]
        groups = tuple(c.removesuffix("name") for c in columns if c.endswith(".name"))
        return [k for k in self.keys if k not in columns and not k.startswith(groups)]

    def _texts(self, label: str, keys: Sequence[str]) -> tuple[str, ...]:
        return tuple(self._text(label, k) for k in keys)

    def _text(self, label: str, key: str) -> str:
        value = self.rows[label].get(key, math.nan)
        return ABSENT if shown(value) is None else written(value)


def _common(labels: Sequence[str], key: str, levels: Mapping[str, str]) -> str:
    """What labels say less the key: `standard` of `standard 0.1` and `standard 0.5`; nothing where that was all."""
    said = dict.fromkeys(
        re.sub(rf"( {re.escape(key)}=\S+|(^| ){re.escape(levels[label])}(?= |$))", "", label, count=1).strip()
        for label in labels
    )
    return next(iter(said)) if len(said) == 1 else f"{labels[0]} to {labels[-1]}"


def _group(key: str) -> str:
    """How the keys begin that do nothing where what they are options of is off: `dropout.`, `regularizer.mixup.`."""
    return ".".join(key.split(".")[:2]) + "." if key.startswith(BESIDE) else DROPOUT


def _apart(row: Row) -> Row:
    """With the keys of each of its variants under the variant's name."""
    found = {k: v for k, v in row.items() if not k.startswith(DROPOUT) or k == _NAME}
    for name, begin in variants_of(row).items():
        own = {k.removeprefix(begin): v for k, v in row.items() if k.startswith(begin) and not absent(v)}
        found |= {f"{DROPOUT}{name}.{key}": value for key, value in own.items() if name != NONE and key != "name"}
    return found

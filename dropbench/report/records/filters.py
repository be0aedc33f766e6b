"""Parses and applies filters: `model=mlp`, `dropout.rate=0.25,0.5`, `seed=range(0,6)`, `dropout=*drop*`, `status=failed`.

It also handles the conditions of `--where`: `data.n_train<=1000`, `model!=cnn and dropout.rate>0`.
"""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Iterable, Sequence
from fnmatch import fnmatchcase

import pandas as pd

from dropbench.errors import UsageError, listed, nearest
from dropbench.report.records.frame import config_keys, known
from dropbench.values import AND, absent, number, order, same, written

PLAIN = ("seed", "status", "device", "git_commit", "run_id", "arm_id", "data_fingerprint", "sources")
_NETWORK = "model.target"
"""The key with the import path of a user's network."""
_RANGE = re.compile(r"range\((-?\d+(?:,-?\d+){0,2})\)")
_CONDITION = re.compile(r"\s*([\w./]+)\s*(<=|>=|!=|==|=|<|>)\s*([^=\s].*?)\s*")
_ORDER: dict[str, Callable[[float, float], bool]] = {
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}
_LONG = 16
"""The most names or values that a message lists."""
_MOST = 100_000
"""Largest number of values in a range."""

Condition = tuple[str, str, str]
"""A key, a comparison, a value as typed."""


def parse(filters: Sequence[str]) -> list[tuple[str, list[str]]]:
    """Returns (key, values) for each filter. Commas inside brackets are part of a value; `range(a,b)` becomes its numbers."""
    parsed = []
    for item in filters:
        key, equals, rest = item.partition("=")
        if not equals or not key or not rest:
            raise UsageError(
                f"'{item}' is not a filter: write key=value[,value...], as in model=mlp dropout.rate=0.25,0.5"
            )
        values = []
        for value in _split(rest.replace(" ", "")):
            if key == "dropout" and value.startswith("["):  # several variants, written as in a sweep
                value = AND.replace(" ", "").join(value.strip("[]").split(","))
            numbers = _RANGE.fullmatch(value)
            values += _ranged(value, numbers[1]) if numbers else [value]
        if not values:
            raise UsageError(f"'{item}' names no value: write key=value[,value...]")
        key = key.replace("/", ".")  # `dropout/schedule` is how a sweep chooses a schedule
        parsed.append((key, [_as_stored(key, value) for value in values]))
    return parsed


def _as_stored(key: str, value: str) -> str:
    """Returns a value as records write it: a network may be typed as `mypkg.net:Net`, which is stored as `mypkg.net.Net`."""
    return value.replace(":", ".", 1) if key == _NETWORK else value


def _ranged(typed: str, limits: str) -> list[str]:
    """Returns the numbers of a range, as texts. Raises UsageError if there are none or too many."""
    try:
        numbers = range(*map(int, limits.split(",")))
        if not 0 < len(numbers) <= _MOST:
            raise OverflowError
    except (ValueError, OverflowError):
        raise UsageError(
            f"{typed} is not a range of 1 to {_MOST:,} numbers; write range(first,end), as in seed=range(0,6)"
        ) from None
    return [str(i) for i in numbers]


STATUSES = ("completed", "diverged", "failed")
"""How a run may have ended."""

ABSENT = "absent"
"""How a missing key is shown, and what to type in a filter for it."""


class NoRun(UsageError):
    """Nothing is mistyped, but no stored run is so: for some commands that is an answer."""


def select(frame: pd.DataFrame, filters: Sequence[tuple[str, list[str]]]) -> pd.DataFrame:
    """Returns the rows that match every filter. Raises UsageError for an unknown key, a value that no run has, or no match.

    It is NoRun if the values are known and only their combination, or a status, does not occur.
    """
    keep = [True] * len(frame)
    for key, wanted in filters:
        column = column_of(frame, key)
        values = frame[column].tolist()
        there = [*known(frame, column), *[v for v in values if absent(v)][:1]]
        for want in wanted:
            if not any(_fits(v, want) for v in there):
                valid = [written(v) for v in sorted({written(v): v for v in known(frame, column)}.values(), key=order)]
                kind = NoRun if key == "status" and want in STATUSES else UsageError
                raise kind(f"{key}={want}: no stored run has this value; {hint(want, valid)}")
        keep = [k and any(_fits(v, w) for w in wanted) for k, v in zip(keep, values, strict=True)]
    if not any(keep):
        shown = " ".join(f"{key}={','.join(values)}" for key, values in filters)
        raise NoRun(f"no stored run fits all of these at once: {shown}; leave one out")
    return frame[keep]


def conditions(texts: Sequence[str]) -> list[Condition]:
    """Returns the conditions in each text, where they are joined by `and`. Raises UsageError for an invalid one."""
    parsed = []
    for words in texts:
        for part in re.split(r"\s+and\s+", words.strip()):
            form = _CONDITION.fullmatch(part)
            if not form:
                raise UsageError(
                    f"--where '{words}': write key, comparison, value, as in --where 'data.n_train<=1000 and model!=cnn'"
                )
            key, sign, value = form.groups()
            if sign in _ORDER and number(value) is None:
                raise UsageError(f"--where '{part}': {value} is not a number; compare names with = or !=")
            key = key.replace("/", ".")
            parsed.append((key, sign, _as_stored(key, value)))
    return parsed


def where(frame: pd.DataFrame, wanted: Sequence[Condition]) -> pd.DataFrame:
    """Returns the rows that match every condition.

    A value that is missing or not a number never matches <, <=, > or >=; a missing one matches `!=`, except `!=absent`. Raises
    UsageError for an unknown key, and if no row is left; it is NoRun if a condition on the status left none.
    """
    keep = [True] * len(frame)
    for key, sign, value in wanted:
        values = frame[column_of(frame, key)].tolist()
        keep = [k and _holds(v, sign, value) for k, v in zip(keep, values, strict=True)]
        if not any(keep):
            valid = [written(v) for v in sorted({written(v): v for v in values if not absent(v)}.values(), key=order)]
            there = listed(valid, _LONG)
            kind = NoRun if key == "status" and value in STATUSES else UsageError
            raise kind(f"--where '{key}{sign}{value}': no remaining run matches; their values are: {there}")
    return frame[keep]


def _holds(value: object, sign: str, wanted: str) -> bool:
    if sign not in _ORDER:
        return _fits(value, wanted) != (sign == "!=")
    ours, theirs = number(value), number(wanted)
    return ours is not None and theirs is not None and _ORDER[sign](ours, theirs)


def column_of(frame: pd.DataFrame, key: str) -> str:
    """Returns the column for a typed key: `model` means `model.name`. Raises UsageError for an unknown key."""
    keys = config_keys(frame)
    if key in keys or key in PLAIN:
        return key
    if f"{key}.name" in keys:
        return f"{key}.name"
    groups = [k.removesuffix(".name") for k in keys if k.endswith(".name")]
    valid = [*groups, *PLAIN, "study", *(k for k in keys if not k.endswith(("._target_", ".name")))]
    raise UsageError(f"unknown key '{key}'; {hint(key, valid)}")


def hint(word: str, valid: Iterable[str]) -> str:
    """Returns the hint of `nearest`, which of a long list has only names close to the word, so that the error stays short."""
    names = list(dict.fromkeys(valid))
    if all(number(n) is not None for n in names):  # similar spelling means nothing for numbers
        return f"valid: {listed(sorted(names, key=order), _LONG)}"
    return nearest(word, names, _LONG)


def _fits(value: object, wanted: str) -> bool:
    if absent(value):
        return wanted == ABSENT
    text = written(value) if isinstance(value, dict) else value  # a run's sources, by part
    return same(value, wanted) or (isinstance(text, str) and fnmatchcase(text, wanted))


def _split(values: str) -> list[str]:
    """Splits at the commas outside brackets."""
    parts, depth = [""], 0
    for c in values:
        depth += (c in "[{(") - (c in "]})")
        if c == "," and depth == 0:
            parts.append("")
        else:
            parts[-1] += c
    return [p for p in parts if p]

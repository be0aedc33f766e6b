"""Flattens a configuration to keys, and defines how values, counts and ranges are written everywhere."""

from __future__ import annotations

import math
import re
import unicodedata
from collections.abc import Mapping
from typing import Any

_RATES = re.compile(r"dropout\.(?:[^.]+\.)?rates")
UNDEFINED = "is not defined for these examples"
"""The end of the reason of a run whose epoch would be chosen by a score that has no value, which no other rate could mend."""
AND = " + "
"""The separator between the names of an arm's variants."""


def flatten(config: Mapping[str, Any], prefix: str = "", *, whole: bool = True) -> dict[str, Any]:
    """Converts {"dropout": {"rate": 0.5}} to {"dropout.rate": 0.5}. An empty mapping stays a value, so that it is not lost.

    In a list of several variants, each gets its own name as on the command line, `dropout.locked.rate`, and `dropout.name`
    has all names.

    whole: whether rates by site stay one value, since their keys contain dots.
    """
    flat: dict[str, Any] = {}
    for key, value in config.items():
        name = prefix + key
        if name == "dropout" and isinstance(value, list | tuple):
            value = {"name": AND.join(str(v.get("name")) for v in value)} | {str(v.get("name")): v for v in value}
        if isinstance(value, Mapping) and value and not (whole and _RATES.fullmatch(name)):
            flat |= flatten(value, name + ".", whole=whole)
        else:
            flat[name] = value
    return flat


_UNSEEN = ("Cc", "Cf", "Cs", "Zl", "Zp")
"""Unicode categories of characters that are not visible but control a terminal, the direction of text or line ends."""


def plain(text: object) -> str:
    r"""Makes invisible characters visible: those that control a terminal or the direction of text become `\x1b`, `\u202e`.

    Texts from records, names of files and exceptions go through it before they are shown on the screen, in a table or on a
    page.
    """
    told = str(text)
    if told.isprintable():  # nearly always
        return told
    return "".join(
        c.encode("unicode_escape", "backslashreplace").decode() if unicodedata.category(c) in _UNSEEN else c
        for c in told
    )


def written(value: object) -> str:
    """Returns a value as one types it on the command line, with control characters shown (see `plain`).

    >>> written([512, 0.5, True, None]), written({"input": 0.2, "*": 1.0})
    ('[512,0.5,true,null]', '{input: 0.2, *: 1}')
    """
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        return repr(value).removesuffix(".0")
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{plain(k)}: {written(v)}" for k, v in value.items()) + "}"
    if isinstance(value, list | tuple):
        return "[" + ",".join(written(v) for v in value) + "]"
    return plain(value)


def word(value: object) -> object:
    """Converts a number to text, since a name such as `3` (a submodule of an `nn.Sequential`) is parsed as a number."""
    return str(value) if isinstance(value, int | float) and not isinstance(value, bool) else value


def absent(value: object) -> bool:
    """Returns whether a value is the NaN with which pandas marks a key that a configuration does not have."""
    return isinstance(value, float) and math.isnan(value)


def finite(value: Any) -> Any:
    """Replaces NaN, infinity and pandas' NA in a tree of dicts and lists by None, because JSON cannot express them."""
    if isinstance(value, dict):
        return {key: finite(v) for key, v in value.items()}
    if isinstance(value, list | tuple):
        return [finite(v) for v in value]
    missing = type(value).__name__ == "NAType" or (isinstance(value, float) and not math.isfinite(value))
    return None if missing else value


def number(value: object) -> float | None:
    """Returns a value, or its text, as a number, or None if it is not a number."""
    if isinstance(value, bool):
        return None
    try:
        return float(value)  # type: ignore[arg-type]
    except (TypeError, ValueError, OverflowError):
        return None


def same(value: object, wanted: str) -> bool:
    """Returns whether a value equals the typed one: numbers by value (0.50 is .5), others by their text without spaces."""
    by_value, wanted_value = number(value), number(wanted)
    if by_value is not None and wanted_value is not None:
        return by_value == wanted_value
    return written(value).replace(" ", "") == wanted.replace(" ", "")


def order(value: object) -> tuple[int, float, tuple[tuple[int, float, str], ...]]:
    """Returns a sort key: None first, then numbers by size, then texts, with numbers inside them by size (0.25 < 0.5)."""
    if value is None:
        return (0, 0.0, ())
    size = number(value)
    if size is not None:
        return (1, size, ())
    parts = re.split(r"(\d+(?:\.\d+)?)", written(value))  # every second part is a number
    return (2, 0.0, tuple((0, float(p), "") if i % 2 else (1, 0.0, p) for i, p in enumerate(parts)))


def spans(numbers: list[int]) -> str:
    """Writes integers as ranges.

    >>> spans([5, 0, 1, 2])
    '0-2, 5'
    """
    runs: list[list[int]] = []
    for n in sorted(numbers):
        if runs and n == runs[-1][-1] + 1:
            runs[-1].append(n)
        else:
            runs.append([n])
    return ", ".join(str(r[0]) if len(r) == 1 else f"{r[0]}-{r[-1]}" for r in runs)


def plural(n: int, word: str) -> str:
    """Returns the singular or plural of a word: `run`, `runs`."""
    return word if n == 1 else f"{word}s"


def count(n: int, word: str) -> str:
    """Returns a number with its noun: `1 run`, `12 runs`."""
    return f"{n} {plural(n, word)}"

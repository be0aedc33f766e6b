"""A configuration as flat keys, and the one way in which its values, counts and ranges are written."""

from __future__ import annotations

import math
import re
import unicodedata
from collections.abc import Mapping
from typing import Any

_RATES = re.compile(r"dropout\.(?:[^.]+\.)?rates")
AND = " + "
"""Between the names of an arm's variants."""


def flatten(config: Mapping[str, Any], prefix: str = "", *, whole: bool = True) -> dict[str, Any]:
    """{"dropout": {"rate": 0.5}} -> {"dropout.rate": 0.5}. An empty mapping stays a value, so that it is not lost.

    Several variants, which are a list, are each under its own name as on the command line, `dropout.locked.rate`, and
    `dropout.name` has all of their names.

    whole: whether rates by site stay one value. Their keys have dots of their own.
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
"""Categories of characters that are no ink but an order: to a terminal, to the direction of a line, to end it."""


def plain(text: object) -> str:
    r"""A text of which a reader sees every character: what would steer a terminal or turn a line round reads `\x1b`, `\u202e`.

    What a record, a file's name or somebody's exception says goes through it on its way to the screen, a table or a page.
    """
    told = str(text)
    if told.isprintable():  # nearly always
        return told
    return "".join(
        c.encode("unicode_escape", "backslashreplace").decode() if unicodedata.category(c) in _UNSEEN else c
        for c in told
    )


def written(value: object) -> str:
    """A value as a person would type it on the command line, with control characters shown (see `plain`).

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
    """A number as it is written, since what is called `3`, as a part of an `nn.Sequential` is, is typed and read as one."""
    return str(value) if isinstance(value, int | float) and not isinstance(value, bool) else value


def absent(value: object) -> bool:
    """Whether it is the NaN with which pandas marks a key that a configuration does not have."""
    return isinstance(value, float) and math.isnan(value)


def number(value: object) -> float | None:
    """A value, or its text, as a number if it is one."""
    if isinstance(value, bool):
        return None
    try:
        return float(value)  # type: ignore[arg-type]
    except (TypeError, ValueError, OverflowError):
        return None


def same(value: object, wanted: str) -> bool:
    """Whether a value is the one that was typed: numbers by value (0.50 is .5), anything else by its text, less spaces."""
    by_value, wanted_value = number(value), number(wanted)
    if by_value is not None and wanted_value is not None:
        return by_value == wanted_value
    return written(value).replace(" ", "") == wanted.replace(" ", "")


def order(value: object) -> tuple[int, float, tuple[tuple[int, float, str], ...]]:
    """A sort key: nothing, then numbers by size, then texts with the numbers in them by size (0.25 < 0.5)."""
    if value is None:
        return (0, 0.0, ())
    size = number(value)
    if size is not None:
        return (1, size, ())
    parts = re.split(r"(\d+(?:\.\d+)?)", written(value))  # every second part is a number
    return (2, 0.0, tuple((0, float(p), "") if i % 2 else (1, 0.0, p) for i, p in enumerate(parts)))


def spans(numbers: list[int]) -> str:
    """Whole numbers as people write them down.

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
    """The word for n of them: `run`, `runs`."""
    return word if n == 1 else f"{word}s"


def count(n: int, word: str) -> str:
    """`1 run`, `12 runs`."""
    return f"{n} {plural(n, word)}"

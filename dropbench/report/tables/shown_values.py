"""Texts of configuration values, for display and comparison, computed for many rows at once."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import pandas as pd

from dropbench.values import absent, written

Row = Mapping[str, Any]


def shown(value: object) -> str | None:
    """Return the value's text; None for the NaN that stands for an absent key."""
    return None if absent(value) else written(value)


def as_set(value: object) -> str | None:
    """Return the value's text; None if it is absent or null, which are equal as in ids, so that a new key separates no runs."""
    return None if value is None else shown(value)


def texts(values: Sequence[object], text: Callable[[object], str | None] = shown) -> list[str | None]:
    """Return the text of each value. An object that occurs several times, as runs share their settings, is converted once."""
    known: dict[int, str | None] = {}
    for value in values:
        if id(value) not in known:
            known[id(value)] = text(value)
    return [known[id(value)] for value in values]


def vary(rows: Sequence[Row], keys: Iterable[str]) -> list[str]:
    """Return the keys that have more than one value in the rows; absent and null together count as one value."""
    return [k for k in keys if len(set(texts([row.get(k, math.nan) for row in rows], as_set))) > 1]


def vary_in(frame: pd.DataFrame, keys: Iterable[str]) -> list[str]:
    """Return the columns that have more than one value, counted as in `vary`."""
    return [k for k in keys if len(set(texts(frame[k].tolist(), as_set))) > 1]

"""Values of configurations as they are shown and told apart, of very many rows at once."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import pandas as pd

from dropbench.values import absent, written

Row = Mapping[str, Any]


def shown(value: object) -> str | None:
    """The value's text; None for the NaN that stands for an absent key."""
    return None if absent(value) else written(value)


def as_set(value: object) -> str | None:
    """The text of a value that was set: what is null is absent, as in ids, so that a key of a later dropbench parts no runs."""
    return None if value is None else shown(value)


def texts(values: Sequence[object], text: Callable[[object], str | None] = shown) -> list[str | None]:
    """The text of each. One object, as many runs have their settings in common, is written once."""
    known: dict[int, str | None] = {}
    for value in values:
        if id(value) not in known:
            known[id(value)] = text(value)
    return [known[id(value)] for value in values]


def vary(rows: Sequence[Row], keys: Iterable[str]) -> list[str]:
    """The keys that have more than one value in the rows; being absent or null counts as one."""
    return [k for k in keys if len(set(texts([row.get(k, math.nan) for row in rows], as_set))) > 1]


def vary_in(frame: pd.DataFrame, keys: Iterable[str]) -> list[str]:
    """The same of columns."""
    return [k for k in keys if len(set(texts(frame[k].tolist(), as_set))) > 1]

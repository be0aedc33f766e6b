"""Arms written as what one would type for them: as one command where they are a grid, else as few as may be."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from dropbench.config.typed import text as as_text
from dropbench.identity import BESIDE

_NONE = "none"


@dataclass(frozen=True)
class Point:
    """What of an arm is told in a grid, each value as it is typed.

    variant, rate: of dropout; a variant without a rate has none. names: of the regularizers beside it. settings: their keys.
    """

    variant: str
    rate: str
    names: tuple[str, ...] = ()
    settings: tuple[tuple[str, str], ...] = ()

    @property
    def beside(self) -> _Beside:
        """What it is beside dropout."""
        return self.names, self.settings


_Beside = tuple[tuple[str, ...], tuple[tuple[str, str], ...]]
"""The regularizers of an arm and their keys."""


def as_grids(points: Sequence[Point]) -> list[list[str]]:
    """The overrides of each command that together make these arms and no others."""
    variants: dict[_Beside, dict[tuple[str, str], None]] = {}
    for point in points:
        variants.setdefault(point.beside, {})[point.variant, point.rate] = None
    alike: dict[frozenset[tuple[str, str]], list[_Beside]] = {}
    for beside, arms in variants.items():
        alike.setdefault(frozenset(arms), []).append(beside)
    return [
        [*arm, *words]
        for several in alike.values()
        for arm in _of_dropout(list(variants[several[0]]))
        for words in _of_regularizers(several)
    ]


def _of_dropout(arms: Sequence[tuple[str, str]]) -> list[list[str]]:
    """(variant, rate or nothing) of each arm as overrides: of one command where they are a grid, else of a command each.

    A grid has one variant beside none: none takes no rate, so that its points are one run.
    """
    variants = dict.fromkeys(name for name, _ in arms)
    rates = [rate for name, rate in arms if name != _NONE]
    if len(variants) - (_NONE in variants) > 1 or not all(rates):
        return [[f"dropout={name}", *[f"dropout.rate={rate}"] * bool(rate)] for name, rate in arms]
    return [[f"dropout={','.join(variants)}", *[f"dropout.rate={','.join(rates)}"] * bool(rates)]]


def _of_regularizers(points: Sequence[_Beside]) -> list[list[str]]:
    """The same of regularizers. Where one is not chosen its keys do nothing, so those points are one run."""
    choices = list(dict.fromkeys(names for names, _ in points))
    values: dict[str, dict[str, None]] = {}
    for _, settings in points:
        for key, value in settings:
            values.setdefault(key, {})[value] = None
    told = [{key for key, _ in settings} for _, settings in points]
    whole = all(
        keys == {k for k in values if k.split(".")[1] in names} for keys, (names, _) in zip(told, points, strict=True)
    )
    of_each = [math.prod(len(v) for k, v in values.items() if k.split(".")[1] in names) for names in choices]
    if len(points) > 1 and not (whole and sum(of_each) == len(points)):
        parts = (
            [[p for p in points if p[0] == names] for names in choices] if len(choices) > 1 else [[p] for p in points]
        )
        return [words for part in parts for words in _of_regularizers(part)]
    typed = [_NONE if not names and len(choices) > 1 else as_text(list(names)) for names in choices]
    return [
        [
            *([f"{BESIDE}={','.join(typed)}"] if choices != [()] else []),
            *(f"{key}={','.join(of_key)}" for key, of_key in values.items()),
        ]
    ]

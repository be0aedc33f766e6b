"""Writes arms as overrides: as one command if they form a grid, otherwise as few commands as possible."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from dropbench.config.typed import text as as_text
from dropbench.identity import BESIDE

_NONE = "none"


@dataclass(frozen=True)
class Point:
    """The part of an arm that a grid varies, each value as typed.

    variant, rate: of dropout; the rate is empty for a variant without one. names: the other regularizers. settings: their keys.
    """

    variant: str
    rate: str
    names: tuple[str, ...] = ()
    settings: tuple[tuple[str, str], ...] = ()

    @property
    def beside(self) -> _Beside:
        """The other regularizers and their keys."""
        return self.names, self.settings


_Beside = tuple[tuple[str, ...], tuple[tuple[str, str], ...]]
"""The regularizers of an arm other than dropout, and their keys."""


def as_grids(points: Sequence[Point]) -> list[list[str]]:
    """Returns the overrides of each command; together the commands give exactly these arms."""
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
    """Returns the overrides for (variant, rate or empty) of each arm: one command for a grid, otherwise one for each arm.

    A grid has at most one variant besides none, which takes no rate, so that all of its points are the same run.
    """
    variants = dict.fromkeys(name for name, _ in arms)
    rates = [rate for name, rate in arms if name != _NONE]
    if len(variants) - (_NONE in variants) > 1 or not all(rates):
        return [[f"dropout={name}", *[f"dropout.rate={rate}"] * bool(rate)] for name, rate in arms]
    return [[f"dropout={','.join(variants)}", *[f"dropout.rate={','.join(rates)}"] * bool(rates)]]


def _of_regularizers(points: Sequence[_Beside]) -> list[list[str]]:
    """Returns the overrides for regularizers. Keys of one that is not chosen have no effect: such points are the same run."""
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

"""Answers to questions (contrasts and optima) as tables to print, and as rows and a tree for programs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import pandas as pd

from dropbench.report.statistics.contrast import levels
from dropbench.report.tables.answers import Answer
from dropbench.report.tables.asked import Asked
from dropbench.report.tables.columns import (
    ABSENT,
    Column,
    Sheet,
    between,
    or_absent,
    p_value,
    plus_minus,
    seeds_to_confirm,
    share,
    sheet,
    verdict_word,
)
from dropbench.report.tables.optimum import Optimum
from dropbench.values import count

CONTRASTS = "Contrasts"


def contrasts(answers: Sequence[Answer], width: int | None) -> Sheet:
    """Return a table with one row per contrast, kept to a width of `width` characters."""

    def each(heading: tuple[str, ...], cell: Callable[[Answer], str], rank: int = 0) -> Column:
        return Column(heading, tuple(map(cell, answers)), rank)

    def difference(value: Callable[[Answer], float]) -> Callable[[Answer], str]:
        return lambda a: or_absent(a.contrast.measure.difference, value(a))

    columns = [
        Column(("contrast",), tuple(a.name for a in answers), right=False),
        Column(("verdict",), tuple(verdict_word(a.contrast) for a in answers), right=False),
        each(("estimate",), difference(lambda a: a.contrast.difference.mean)),
        each(("unit",), lambda a: a.contrast.measure.points or a.formula.unit or ABSENT, 3),
        each((f"{levels((a.contrast for a in answers), answers[0].contrast.alpha)} interval",), _interval, 1),
        each(("p", "adjusted"), lambda a: or_absent(p_value, a.contrast.difference.p_adjusted), 2),
        each(("p", "alone"), lambda a: or_absent(p_value, a.contrast.difference.p), 5),
        each(("seeds",), lambda a: str(a.contrast.difference.pairs), 1),
        each(("sd",), lambda a: difference(lambda a: a.contrast.difference.sd)(a).removeprefix("+"), 6),
        each(
            ("seeds to", "confirm"),
            lambda a: ABSENT if a.contrast.confirmed else seeds_to_confirm(a.contrast.seeds_needed),
            4,
        ),
    ]
    return sheet("", columns, width)


def _interval(answer: Answer) -> str:
    d = answer.contrast.difference
    return between(answer.contrast.measure.difference, d.low, d.high)


def optimum(found: Optimum, width: int | None) -> tuple[Sheet, list[str]]:
    """Return a table with one row per value of the key, and notes on the result."""
    of, write = found.candidates, found.measure.level
    unit = f" {found.measure.unit}".rstrip()
    columns = [
        Column((found.series.key,), tuple(c.level for c in of), right=False),
        Column((f"{found.measure.spoken}{unit}",), tuple(plus_minus(write, c.mean, c.sd) for c in of)),
        Column(("may be", "the best"), tuple("yes" if c.possible else "no" for c in of), right=False),
        Column(("surely", "better"), tuple(c.beaten_by or ABSENT for c in of), 2),
        Column(("best in so many", "resamples"), tuple(or_absent(share, c.share) for c in of), 1),
    ]
    return sheet("", columns, width), _said(found)


def title(found: Optimum) -> str:
    """Return the title of a table of a key's values."""
    of = f": {found.series.name}" if found.series.name else ""
    return f"Optimum of {found.series.key} in {found.measure.spoken}{of}"


def titles(asked: Asked) -> list[str]:
    """Return the titles of all tables, in their order."""
    return [*[CONTRASTS] * bool(asked.answers), *map(title, asked.optima)]


def _said(found: Optimum) -> list[str]:
    key, best = found.series.key, found.best
    if best is None:
        return ["No seed has all of these values, so they cannot be compared."]
    notes = [f"Best mean over {count(found.seeds, 'seed')}: {key}={best.level}. {_possible(found)}"]
    if found.at_edge:
        notes.append(f"{key}={best.level} lies at the edge of what was tried: the optimum may lie beyond it.")
    if found.left_out:
        notes.append(
            f"Left out, because scores are missing or more of their seeds diverged: {', '.join(found.left_out)}."
        )
    return notes


def _possible(found: Optimum) -> str:
    levels = [c.level for c in found.candidates if c.possible]
    if len(found.candidates) == 1:
        return "There is no other value to compare it with."
    if len(levels) == len(found.candidates):
        return f"These seeds do not rule out any of the {len(levels)} values."
    which = levels[0] if len(levels) == 1 else f"one of {', '.join(levels)}"
    return f"At 95 % confidence the best of these values is {which}: for each of the others some value is certainly better."


def rows(asked: Asked) -> list[pd.DataFrame]:
    """Return the answers as data frames, for csv, json and parquet."""
    tables = [asked.table] if asked.answers else []
    return tables + [found.table for found in asked.optima]


def tree(asked: Asked) -> dict[str, Any]:
    """Return, for JSON, what the rows do not hold."""
    optima = [
        {"title": title(o), "key": o.series.key, "seeds": o.seeds, "left_out": o.left_out, "notes": _said(o)}
        for o in asked.optima
    ]
    return {"notes": list(asked.notes), "optima": optima}

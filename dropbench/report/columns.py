"""Which columns a printed table has, how a number is written, and which columns go first when room is short."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from dropbench.report.compare import INTERVAL
from dropbench.report.frame import rows_of

if TYPE_CHECKING:
    from dropbench.report.assemble import Comparison

ABSENT = "-"
FOLD = 2
"""How far the further lines of a folded label are indented."""
_GAP = 2
"""Blank columns between two columns of a table."""


@dataclass(frozen=True)
class Column:
    """heading: its lines. cells: one an arm. rank: 0 always stays; of the others the highest leaves first."""

    heading: tuple[str, ...]
    cells: tuple[str, ...]
    rank: int = 0
    right: bool = True

    @property
    def width(self) -> int:
        return max(map(len, (*self.heading, *self.cells)))


@dataclass(frozen=True)
class Sheet:
    """One printed table."""

    caption: str
    columns: tuple[Column, ...]


def sheets(comparison: Comparison, width: int | None = None) -> list[Sheet]:
    """The summary and, where there is a baseline, the differences; columns left out until `width` is kept."""
    found = [Sheet("", _fit(_summary(comparison), width))]
    if comparison.baseline is not None and len(comparison.table) > 1:
        caption = f"Difference from {comparison.baseline} (arm minus {comparison.baseline}), paired by seed"
        found.append(Sheet(caption, _fit(_differences(comparison), width)))
    return found


def label_width(columns: Sequence[Column], width: int) -> int:
    """What is left for the first column, the arm's label, which alone may be folded."""
    return max(8, min(columns[0].width, width - sum(c.width + _GAP for c in columns[1:])))


def _fit(columns: Sequence[Column | None], width: int | None) -> tuple[Column, ...]:
    left = [c for c in columns if c is not None]
    if width is None:
        return tuple(left)
    # A long label is folded before numbers are left out, but not to less than a third of the line, nor inside a word.
    longest = max(len(word) for cell in left[0].cells for word in cell.split()) + FOLD
    label = min(left[0].width, max(16, width // 3, min(longest, width // 2)))
    while sum(c.width + _GAP for c in left[1:]) + label > width:
        last = max(left, key=lambda c: c.rank)
        if last.rank == 0:
            break
        left = [c for c in left if c.rank < last.rank]
    return tuple(left)


def _summary(comparison: Comparison) -> list[Column | None]:
    table = comparison.table
    rows = rows_of(table)

    def level(heading: tuple[str, ...], name: str, write: Callable[[float], str], rank: int) -> Column | None:
        cells = tuple(_plus_minus(write, r[f"{name}_mean"], r[f"{name}_sd"]) for r in rows)
        return _unless_empty(Column(heading, cells, rank))

    settings = tuple(r["setting"] for r in rows)
    named = any(r["setting"] not in r["arm"] for r in rows)
    counts = [
        # The notes name every run that failed or diverged, so these two may leave.
        Column((what,), tuple(str(r[what]) for r in rows), rank) if what == "n" or table[what].any() else None
        for what, rank in (("n", 0), ("failed", 4), ("diverged", 4))
    ]
    return [
        Column(("arm",), tuple(table["arm"]), right=False),
        Column(("setting",), settings, rank=3, right=False) if named else None,
        *counts,
        level(("train", "acc. %"), "train_accuracy", _percent, 2),
        level(("validation", "acc. %"), "val_accuracy", _percent, 1),
        level(("test", "acc. %"), "test_accuracy", _percent, 0),
        level(("gap", "points"), "gap_accuracy", _signed_percent, 0),
        level(("train", "loss"), "train_loss", _loss, 6),
        level(("validation", "loss"), "val_loss", _loss, 6),
        level(("test", "loss"), "test_loss", _loss, 5),
        level(("gap", "loss"), "gap_loss", _signed_loss, 5),
        level(("chosen", "epoch"), "chosen_epoch", _plain, 7),
        level(("time", "seconds"), "seconds", _plain, 8),
    ]


def _differences(comparison: Comparison) -> list[Column | None]:
    rows = rows_of(comparison.table[comparison.table["arm"] != comparison.baseline])

    def measure(
        heading: tuple[str, ...], name: str, write: Callable[[float], str], ranks: tuple[int, int, int]
    ) -> list[Column | None]:
        """The mean of the differences, their sd and the interval, with their ranks in that order."""
        mean, sd, low, high = (f"{name}_diff_{part}" for part in ("mean", "sd", "low", "high"))
        unsigned = _unsigned(write)
        interval = tuple(_between(write, r[low], r[high]) for r in rows)
        return [
            _unless_empty(Column(heading, tuple(_or_absent(write, r[mean]) for r in rows), ranks[0])),
            _unless_empty(Column(("", "sd"), tuple(_or_absent(unsigned, r[sd]) for r in rows), ranks[1])),
            _unless_empty(Column(tuple(_halves(INTERVAL)), interval, ranks[2])),
        ]

    return [
        Column(("arm",), tuple(r["arm"] for r in rows), right=False),
        Column(("pairs",), tuple(str(r["pairs"]) for r in rows)),
        *measure(("test acc.", "points"), "test_accuracy", _points, (0, 4, 1)),
        *measure(("gap", "points"), "gap_accuracy", _points, (2, 4, 3)),
        *measure(("val. acc.", "points"), "val_accuracy", _points, (7, 8, 7)),
        *measure(("test", "loss"), "test_loss", _signed_loss, (5, 6, 5)),
        *measure(("gap", "loss"), "gap_loss", _signed_loss, (9, 10, 9)),
    ]


def _halves(words: str) -> list[str]:
    """`95 % paired t interval` in two lines, so that it is no wider than its numbers."""
    first, _, last = words.rpartition(" ")
    return [first, last]


def _unless_empty(column: Column) -> Column | None:
    return column if any(c != ABSENT for c in column.cells) else None


def _or_absent(write: Callable[[float], str], value: float) -> str:
    return ABSENT if math.isnan(value) else write(value)


def _plus_minus(write: Callable[[float], str], mean: float, sd: float) -> str:
    return _or_absent(write, mean) if math.isnan(sd) else f"{write(mean)} ± {_unsigned(write)(sd)}"


def _between(write: Callable[[float], str], low: float, high: float) -> str:
    return ABSENT if math.isnan(low) or math.isnan(high) else f"{write(low)} to {write(high)}"


def _unsigned(write: Callable[[float], str]) -> Callable[[float], str]:
    return lambda value: write(value).removeprefix("+")


def _percent(value: float) -> str:
    return f"{100 * value:.1f}"


def _signed_percent(value: float) -> str:
    return f"{100 * value:+.1f}"


def _points(value: float) -> str:
    return f"{100 * value:+.2f}"


def _loss(value: float) -> str:
    return f"{value:.3f}"


def _signed_loss(value: float) -> str:
    return f"{value:+.3f}"


def _plain(value: float) -> str:
    return f"{value:.1f}" if value < 100 else f"{value:,.0f}"

"""Which columns a printed table has, how a number is written, and which columns go first when room is short."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from dropbench.report.records.frame import rows_of
from dropbench.report.records.measures import LEADING, PARTS, Write, base, difference, direction, level, spoken, unit
from dropbench.report.statistics.power import MOST
from dropbench.report.tables.attribution_agreement import COLUMNS as STABILITY
from dropbench.report.tables.compare import WELCH

if TYPE_CHECKING:
    import pandas as pd

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
    """The summary and, where there are such, the differences and chosen rates; columns left out until `width` is kept."""
    found = [Sheet("", _fit(_summary(comparison), width))]
    others = comparison.table[comparison.table["arm"] != comparison.baseline]
    if comparison.baseline is not None and comparison.measure is not None and len(others):
        how = "unpaired" if (others[f"{comparison.measure}_diff_interval"] == WELCH).all() else "paired by seed"
        caption = f"Difference from {comparison.baseline} (arm minus {comparison.baseline}), {how}"
        found.append(Sheet(caption, _fit(_differences(comparison), width)))
    if comparison.choices:
        found.append(Sheet(f"Rate with the {_best(comparison)} for each variant", _fit(_choices(comparison), width)))
    if set(STABILITY) <= set(comparison.table.columns):
        found.append(
            Sheet("Input gradients of two seeds: rank correlation of their maps", _fit(_stability(comparison), width))
        )
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
    first = base(comparison.measure) if comparison.measure else ""
    metrics = [n for n in measured_in(table) if n == first or f"test_{n}_mean" in table or f"gap_{n}_mean" in table]
    metrics.sort(key=lambda name: name != first)

    def mean(name: str, heading: tuple[str, ...], write: Write, rank: int) -> Column | None:
        if f"{name}_mean" not in table:
            return None
        cells = tuple(plus_minus(write, r[f"{name}_mean"], r[f"{name}_sd"]) for r in rows)
        return _unless_empty(Column(heading, cells, rank))

    def only(part: str, name: str, heading: tuple[str, ...], write: Write, rank: int) -> Column | None:
        if f"{name}_{part}" not in table:
            return None
        return _unless_empty(Column(heading, tuple(_or_absent(write, r[f"{name}_{part}"]) for r in rows), rank))

    settings = tuple(r["setting"] for r in rows)
    named = any(r["setting"] not in r["arm"] for r in rows)
    counts = [
        # The notes name every run that failed or diverged, so these two may leave.
        Column((what,), tuple(str(r[what]) for r in rows), rank) if what == "n" or table[what].any() else None
        for what, rank in (("n", 0), ("failed", 4), ("diverged", 4))
    ]
    levels: list[Column | None] = []
    medians: list[Column | None] = []
    for place, name in enumerate(metrics):
        for part, rank in (("train", 2), ("val", 1), ("test", 0), ("gap", 0)):
            measure = f"{part}_{name}"
            later = 5 + 2 * place - (part in ("test", "gap"))  # the verdict's metric stays longest
            levels.append(mean(measure, _heading(measure), level(measure), later if place else rank))
            medians.append(only("median", measure, (*_heading(measure), "median"), level(measure), 30 + place))
    return [
        Column(("arm",), tuple(table["arm"]), right=False),
        Column(("setting",), settings, rank=3, right=False) if named else None,
        *counts,
        *levels,
        mean("best_epoch", ("best", "epoch"), _plain, 20),
        mean("chosen_epoch", ("chosen", "epoch"), _plain, 21),
        # Of a cohort's time each run has an equal share, and its memory is all of theirs: a spread over runs would say nothing.
        only("mean", "seconds", ("time", "seconds"), _figures, 22),
        only("mean", "epoch_seconds", ("seconds", "an epoch"), _figures, 23),
        only("mean", "peak_memory_mb", ("cohort's", "peak MB"), _plain, 24),
        *medians,
    ]


def _differences(comparison: Comparison) -> list[Column | None]:
    rows = rows_of(comparison.table[comparison.table["arm"] != comparison.baseline])
    main = comparison.measure or ""
    write = difference(main)

    def of(measure: str, ranks: tuple[int, int, int]) -> list[Column | None]:
        """The mean of the differences, their sd and the interval, with their ranks in that order."""
        if f"{measure}_diff_mean" not in comparison.table:
            return []
        mean, sd, low, high, how = (f"{measure}_diff_{part}" for part in ("mean", "sd", "low", "high", "interval"))
        here = difference(measure)
        methods = dict.fromkeys(r[how] for r in rows if r[how])
        return [
            _unless_empty(
                Column(_heading(measure, of_difference=True), tuple(_or_absent(here, r[mean]) for r in rows), ranks[0])
            ),
            _unless_empty(Column(("", "sd"), tuple(_or_absent(_unsigned(here), r[sd]) for r in rows), ranks[1])),
            _unless_empty(
                Column(
                    ("95 % interval", " or ".join(methods)),
                    tuple(_between(here, r[low], r[high]) for r in rows),
                    ranks[2],
                )
            ),
        ]

    def plain(heading: tuple[str, ...], cells: Iterable[str], rank: int) -> Column | None:
        return _unless_empty(Column(heading, tuple(cells), rank))

    paired = any(r["pairs"] for r in rows) or all(r["n"] == 0 for r in rows)
    others = [m for m in (f"gap_{base(main)}", f"test_{base(main)}", f"val_{base(main)}") if m != main]
    rest = [m for n in LEADING if n != base(main) for m in (f"test_{n}", f"gap_{n}", f"val_{n}")]
    return [
        Column(("arm",), tuple(r["arm"] for r in rows), right=False),
        Column(("pairs",), tuple(str(r["pairs"]) for r in rows), rank=3) if paired else None,
        *of(main, (0, 8, 1)),
        plain(("p",), (_or_absent(_p, r["p"]) for r in rows), 6),
        plain(("p", "Holm"), (_or_absent(_p, r["p_holm"]) for r in rows), 2),
        plain(("P(better)", ""), (_or_absent(_share, r["improvement"]) for r in rows), 5),
        plain(("95 %", "interval"), (_range(r["improvement_low"], r["improvement_high"]) for r in rows), 7),
        plain(("MDE", unit(main, of_difference=True)), (_or_absent(_unsigned(write), r["mde"]) for r in rows), 4),
        plain(("verdict",), (r["verdict"] or ABSENT for r in rows), 0),
        plain(("seeds", "to settle"), (_or_absent(_seeds, r["seeds_needed"]) for r in rows), 8),
        # Of the other measures a difference is not shown without its interval.
        *(column for i, m in enumerate(others) for column in of(m, (9 + 2 * i, 10 + 2 * i, 9 + 2 * i))),
        *(column for i, m in enumerate(rest) for column in of(m, (20 + 2 * i, 21 + 2 * i, 20 + 2 * i))),
    ]


def _choices(comparison: Comparison) -> list[Column | None]:
    found = comparison.choices
    validation, test = level(found[0].rule), level(found[0].test)
    return [
        Column(("chosen",), tuple(c.chosen for c in found), right=False),
        Column(("variant",), tuple(c.variant for c in found), rank=3, right=False),
        Column(("rates",), tuple(str(len(c.of)) for c in found), rank=1),
        Column(("seeds",), tuple(str(len(c.seeds)) for c in found), rank=2),
        Column(_heading(found[0].rule), tuple(_or_absent(validation, c.score) for c in found)),
        Column(_heading(found[0].test), tuple(plus_minus(test, c.test_mean, c.test_sd) for c in found)),
    ]


def _stability(comparison: Comparison) -> list[Column | None]:
    rows = [tuple(r[c] for c in ("arm", *STABILITY)) for r in rows_of(comparison.table)]
    return [
        Column(("arm",), tuple(arm for arm, *_ in rows), right=False),
        Column(("seeds",), tuple(f"{n:.0f}" for *_, n in rows), rank=2),
        Column(("mean",), tuple(_or_absent(_share, mean) for _, mean, *_ in rows)),
        Column(("standard", "error"), tuple(_or_absent(_thousandths, error) for _, _, error, *_ in rows), rank=1),
        Column(("lowest", "pair"), tuple(_or_absent(_share, low) for _, _, _, low, _ in rows), rank=3),
    ]


def _best(comparison: Comparison) -> str:
    rule = comparison.choices[0].rule
    return f"{'highest' if direction(rule) > 0 else 'lowest'} mean {spoken(rule)}"


def _heading(measure: str, *, of_difference: bool = False) -> tuple[str, ...]:
    """`validation` over `acc. %`, `test` over `loss`; of a difference `test acc.` over `points`."""
    part, _, name = measure.partition("_")
    part, name = ("validation" if part == "val" else part), name.replace("accuracy", "acc.").replace("_", " ")
    written = unit(measure, of_difference=of_difference)
    if of_difference:
        part = "val." if part == "validation" else part
        return (part if part == "gap" and written else f"{part} {name}", written)
    if part == "gap" and written:
        return (part, written)
    return (part, f"{name} {written}".rstrip())


def measured_in(table: pd.DataFrame) -> list[str]:
    """The metrics of a summary table, in its order."""
    names = [c.removesuffix("_mean") for c in table.columns if c.endswith("_mean") and not c.endswith("_diff_mean")]
    return list(dict.fromkeys(base(n) for n in names if n.startswith(tuple(f"{p}_" for p in PARTS))))


def _unless_empty(column: Column) -> Column | None:
    return column if any(c != ABSENT for c in column.cells) else None


def _or_absent(write: Write, value: float) -> str:
    return ABSENT if math.isnan(value) else write(value)


def plus_minus(write: Write, mean: float, sd: float) -> str:
    """`91.2 ± 0.4`, or the mean alone where there is no sd."""
    return _or_absent(write, mean) if math.isnan(sd) else f"{write(mean)} ± {_unsigned(write)(sd)}"


def _between(write: Write, low: float, high: float) -> str:
    return ABSENT if math.isnan(low) or math.isnan(high) else f"{write(low)} to {write(high)}"


def _unsigned(write: Write) -> Write:
    return lambda value: write(value).removeprefix("+")


def _range(low: float, high: float) -> str:
    return ABSENT if math.isnan(low) else f"{_share(low)} to {_share(high)}"


def _seeds(value: float) -> str:
    return f"{value:,.0f}" if math.isfinite(value) else f">{MOST:,}"


def _share(value: float) -> str:
    return f"{value:.2f}"


def _thousandths(value: float) -> str:
    return f"{value:.3f}"


def _p(value: float) -> str:
    return f"{value:.4f}" if value >= 0.0001 else "<.0001"


def _plain(value: float) -> str:
    return f"{value:.1f}" if value < 100 else f"{value:,.0f}"


def _figures(value: float) -> str:
    """At least two figures: an epoch may take milliseconds."""
    return _plain(value) if value >= 9.95 or value == 0 else f"{value:.{max(0, 1 - math.floor(math.log10(value)))}f}"

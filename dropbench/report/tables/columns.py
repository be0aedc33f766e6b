"""The columns of printed tables, the format of numbers, and which columns are dropped first if there is too little room."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from dropbench.report.records.measures import LEADING, Measure, Write
from dropbench.report.statistics.contrast import Contrast, levels
from dropbench.report.statistics.difference import WELCH
from dropbench.report.statistics.power import MOST, UNKNOWN, Seeds
from dropbench.report.statistics.verdict import UNTOLD
from dropbench.report.tables.comparison import Comparison
from dropbench.report.tables.selection import Choice, word
from dropbench.report.tables.summary import Level, Summary

ABSENT = "-"
NARROWEST = 8
"""The minimal width of a table's first column, in characters."""
FOLD = 2
"""The indent of the further lines of a folded label."""
ASKED = 2
"""The number of metrics, beside the verdict's, whose test scores stay even if there is little room."""
SPREADS = ("sd",)
"""Headings that mean nothing without the column beside them."""
_GAP = 2
"""The number of blanks between two columns of a table."""


NAMES = ("arms", "differences", "outcomes", "chosen", "gradients", "contrasts", "table")
"""The names of tables: the arms' scores, their differences, the differences on further outcomes, the chosen strengths, the
agreement of input gradients, the contrasts that a study names, and any other table."""


@dataclass(frozen=True)
class Column:
    """One column; heading: its lines; cells: one per arm; rank: 0 always stays, of the others the highest is dropped first."""

    heading: tuple[str, ...]
    cells: tuple[str, ...]
    rank: int = 0
    right: bool = True

    @property
    def width(self) -> int:
        """The length of its longest line, in characters."""
        return max(map(len, (*self.heading, *self.cells)))


@dataclass(frozen=True)
class Sheet:
    """One printed table; hidden: the headings of the columns that were dropped; name: one of NAMES."""

    caption: str
    columns: tuple[Column, ...]
    hidden: tuple[str, ...] = ()
    name: str = "table"


def sheets(comparison: Comparison, width: int | None = None) -> list[Sheet]:
    """Return the table of arms and, if any, those of differences, choices and so on; columns are dropped to keep to `width`."""
    parts = [("arms", "", _summary(comparison))]
    if comparison.verdicts:
        how = (
            "unpaired"
            if all(c.difference.interval == WELCH for c in comparison.verdicts.values())
            else "paired by seed"
        )
        caption = f"Difference from {comparison.base} (arm minus {comparison.baseline}), {how}"
        parts.append(("differences", caption, _differences(comparison)))
        further = [m for m in comparison.outcomes if m != comparison.measure]
        parts += [
            ("outcomes", f"The same for {m.spoken}, also named in advance", _outcome(comparison, m)) for m in further
        ]
    if comparison.choices:
        rule = comparison.choices[0].rule
        best = f"{'highest' if rule.direction > 0 else 'lowest'} mean {rule.spoken}"
        what = "Rate with the {best} for each variant"
        if word(comparison.choices) != "rate":
            what = "Strength with the {best} for each regularizer"
        parts.append(("chosen", what.format(best=best), _choices(comparison.choices)))
    if any(s.agreement for s in comparison.summaries):
        parts.append(
            (
                "gradients",
                "Input gradients of two seeds: rank correlation of their maps",
                _agreement(comparison.summaries),
            )
        )
    return [replace(sheet(caption, columns, width), name=name) for name, caption, columns in parts]


def sheet(caption: str, columns: Sequence[Column | None], width: int | None) -> Sheet:
    """Return a table with as many of the columns as fit into the width; columns that are None are skipped."""
    fitting = _fit(columns, width)
    names = [" ".join(" ".join(c.heading).split()) for c in columns if c is not None and c not in fitting]
    return Sheet(caption, fitting, tuple(dict.fromkeys(name for name in names if name not in SPREADS)))


def label_width(columns: Sequence[Column], width: int) -> int:
    """Return the width that is left for the first column, the arm's label, which is the only one that may be folded."""
    return max(NARROWEST, min(columns[0].width, width - sum(c.width + _GAP for c in columns[1:])))


def _fit(columns: Sequence[Column | None], width: int | None) -> tuple[Column, ...]:
    left = [c for c in columns if c is not None]
    if width is None:
        return tuple(left)
    # A long label is folded before numbers are dropped, but not below a third of the line, and not inside a word.
    longest = max(len(word) for cell in left[0].cells for word in cell.split()) + FOLD
    label = max(NARROWEST, min(left[0].width, max(16, width // 3, min(longest, width // 2))))
    while sum(c.width + _GAP for c in left[1:]) + label > width:
        last = max(left, key=lambda c: c.rank)
        if last.rank == 0:
            break
        left = [c for c in left if c.rank < last.rank]
    return tuple(left)


def _summary(comparison: Comparison) -> list[Column | None]:
    arms = comparison.summaries
    measures = list(arms[0].levels)
    first = comparison.measure.metric if comparison.measure else ""
    tested = {m.metric for m in measures if m.part in ("test", "gap")} | {first}
    # Metrics that are measured by default come last: whoever added another metric wants to see it.
    named_ones = dict.fromkeys(m.metric for m in measures if m.metric in tested)
    metrics = sorted(named_ones, key=lambda name: (name != first, name in LEADING))

    def mean(levels: Sequence[Level], heading: tuple[str, ...], write: Write, rank: int) -> Column | None:
        return _column(heading, (level_of(write, level) for level in levels), rank)

    def only(values: Iterable[float], heading: tuple[str, ...], write: Write, rank: int) -> Column | None:
        return _column(heading, ("never" if math.isinf(v) else or_absent(write, v) for v in values), rank)

    def cost(name: str) -> list[Level]:
        return [s.costs[name] for s in arms]

    named = any(s.arm.setting not in s.arm.label for s in arms)
    # The notes name every run that failed or diverged, so these two columns may be dropped.
    counts = [("n", [s.n for s in arms], 0), ("failed", [s.failed for s in arms], 5)]
    counts += [("diverged", [s.diverged for s in arms], 5)]
    levels: list[Column | None] = []
    medians: list[Column | None] = []
    for place, name in enumerate(metrics):
        of = {m.part: m for m in measures if m.metric == name}
        for part, rank in (("train", 3), ("val", 2), ("test", 0), ("gap", 0)):
            if (measure := of.get(part)) is None:
                continue
            values = [s.levels[measure] for s in arms]
            later = 6 + 2 * place - (part in ("test", "gap"))  # the verdict's metric stays longest
            if part == "test" and name not in LEADING and place <= ASKED:
                later = 1
            levels.append(mean(values, _heading(measure), measure.level, later if place else rank))
            medians.append(only((x.median for x in values), (*_heading(measure), "median"), measure.level, 30 + place))
    return [
        Column(("arm",), tuple(s.arm.label for s in arms), right=False),
        Column(("setting",), tuple(s.arm.setting for s in arms), rank=4, right=False) if named else None,
        *(Column((what,), tuple(map(str, n)), rank) if what == "n" or any(n) else None for what, n, rank in counts),
        *levels,
        mean(cost("best_epoch"), ("best", "epoch"), one_digit, 20),
        mean(cost("chosen_epoch"), ("chosen", "epoch"), one_digit, 21),
        # Each run has an equal share of its cohort's time, and memory is the cohort's: a spread over runs would be meaningless.
        only((x.mean for x in cost("seconds")), ("time", "seconds"), figures, 22),
        only((x.mean for x in cost("epoch_seconds")), ("seconds", "an epoch"), figures, 23),
        only((x.mean for x in cost("peak_memory_mb")), ("cohort's", "peak MB"), one_digit, 24),
        *medians,
    ]


def _differences(comparison: Comparison) -> list[Column | None]:
    main = comparison.measure
    assert main is not None  # there are verdicts
    verdicts = comparison.verdicts
    contrasts = list(verdicts.values())
    differences = [c.difference for c in contrasts]

    def of(measure: Measure, ranks: tuple[int, int, int]) -> list[Column | None]:
        """Return the columns of the mean difference, its sd and its interval; ranks: their ranks in this order."""
        if measure not in comparison.compared:
            return []
        against, write = comparison.against(measure).values(), measure.difference
        shown, interval = [c.difference for c in against], f"{levels(against, comparison.alpha)} interval"
        methods = dict.fromkeys(d.interval for d in shown if d.interval)
        return [
            _column(_difference_heading(measure), (or_absent(write, d.mean) for d in shown), ranks[0]),
            _column(("", "sd"), (or_absent(unsigned(write), d.sd) for d in shown), ranks[1]),
            _column((interval, " or ".join(methods)), (between(write, d.low, d.high) for d in shown), ranks[2]),
        ]

    paired = any(d.pairs for d in differences) or all(s.n == 0 for s in comparison.summaries if s.arm.label in verdicts)
    needed = [UNKNOWN if c.confirmed else c.seeds_needed for c in contrasts]
    others = [main.on(part) for part in ("gap", "test", "val") if part != main.part]
    rest = [
        m
        for name in LEADING
        if name != main.metric
        for part in ("test", "gap", "val")
        for m in comparison.compared
        if (m.metric, m.part) == (name, part)
    ]
    return [
        Column(("arm",), tuple(verdicts), right=False),
        Column(("verdict",), tuple(map(verdict_word, contrasts)), right=False),
        Column(("pairs",), tuple(str(d.pairs) for d in differences), rank=3) if paired else None,
        *of(main, (0, 8, 1)),
        _column(("p", "adjusted"), (or_absent(p_value, d.p_adjusted) for d in differences), 2),
        _column(("seeds to", "confirm"), map(seeds_to_confirm, needed), 3),
        _column(("p", "alone"), (or_absent(p_value, d.p) for d in differences), 6),
        _column(("P(better)", ""), (or_absent(share, d.chance.value) for d in differences), 5),
        _column(("95 %", "interval"), (between(share, d.chance.low, d.chance.high) for d in differences), 7),
        _column(("MDE", main.points), (or_absent(unsigned(main.difference), c.detectable) for c in contrasts), 4),
        # For the other measures, a difference is not shown without its interval.
        *(column for i, m in enumerate(others) for column in of(m, (9 + 2 * i, 10 + 2 * i, 9 + 2 * i))),
        *(column for i, m in enumerate(rest) for column in of(m, (20 + 2 * i, 21 + 2 * i, 20 + 2 * i))),
    ]


def _outcome(comparison: Comparison, measure: Measure) -> list[Column | None]:
    """Return the columns with the verdicts on a further outcome."""
    contrasts = comparison.against(measure)
    sure = levels(contrasts.values(), comparison.alpha)
    differences, write = [c.difference for c in contrasts.values()], measure.difference
    return [
        Column(("arm",), tuple(contrasts), right=False),
        Column(("verdict",), tuple(map(verdict_word, contrasts.values())), right=False),
        _column(_difference_heading(measure), (or_absent(write, d.mean) for d in differences), 0),
        _column((f"{sure} interval",), (between(write, d.low, d.high) for d in differences), 1),
        _column(("p", "adjusted"), (or_absent(p_value, d.p_adjusted) for d in differences), 2),
    ]


def _choices(choices: Sequence[Choice]) -> list[Column | None]:
    rule, test = choices[0].rule, choices[0].test
    return [
        Column(("chosen",), tuple(c.chosen for c in choices), right=False),
        Column(
            (("variant" if word(choices) == "rate" else "regularizer"),),
            tuple(c.variant for c in choices),
            rank=3,
            right=False,
        ),
        Column(("candidates",), tuple(str(len(c.of)) for c in choices), rank=1),
        Column(("seeds",), tuple(str(len(c.seeds)) for c in choices), rank=2),
        Column(_heading(rule), tuple(or_absent(rule.level, c.score) for c in choices)),
        Column(_heading(test), tuple(plus_minus(test.level, c.test_mean, c.test_sd) for c in choices)),
    ]


def _agreement(summaries: Sequence[Summary]) -> list[Column | None]:
    agreements = [s.agreement for s in summaries if s.agreement is not None]
    return [
        Column(("arm",), tuple(s.arm.label for s in summaries), right=False),
        Column(("seeds",), tuple(f"{a.seeds:.0f}" for a in agreements), rank=2),
        Column(("mean",), tuple(or_absent(share, a.mean) for a in agreements)),
        Column(("standard", "error"), tuple(or_absent(_thousandths, a.se) for a in agreements), rank=1),
        Column(("lowest", "pair"), tuple(or_absent(share, a.low) for a in agreements), rank=3),
    ]


def _heading(measure: Measure) -> tuple[str, ...]:
    """Return the lines of a heading: `validation` over `acc. %`, `test` over `loss`."""
    if measure.part == "gap" and measure.unit:
        return (measure.where, measure.unit)
    return (measure.where, f"{_short(measure)} {measure.unit}".rstrip())


def _difference_heading(measure: Measure) -> tuple[str, ...]:
    """Return the lines of a heading for differences: `val. acc.` over `points`."""
    if measure.part == "gap" and measure.points:
        return (measure.where, measure.points)
    return (f"{'val.' if measure.part == 'val' else measure.part} {_short(measure)}", measure.points)


def _short(measure: Measure) -> str:
    return measure.metric.replace("accuracy", "acc.").replace("_", " ")


def _column(heading: tuple[str, ...], cells: Iterable[str], rank: int) -> Column | None:
    """Return a column; None if every cell is absent."""
    column = Column(heading, tuple(cells), rank)
    return column if any(c != ABSENT for c in column.cells) else None


def or_absent(write: Write, value: float) -> str:
    """Return the value as formatted by `write`, or ABSENT for NaN."""
    return ABSENT if math.isnan(value) else write(value)


def plus_minus(write: Write, mean: float, sd: float) -> str:
    """Return `91.2 ± 0.4`, or the mean alone if there is no sd."""
    return or_absent(write, mean) if math.isnan(sd) else f"{write(mean)} ± {unsigned(write)(sd)}"


def level_of(write: Write, level: Level) -> str:
    """Return `91.2 ± 0.4`; if some runs never reached a score, so that the mean is infinite, the median: `7.0, never 3/8`."""
    if not level.never:
        return plus_minus(write, level.mean, level.sd)
    never = f"never {level.never}/{level.n}"
    return f"{write(level.median)}, {never}" if math.isfinite(level.median) else never


def between(write: Write, low: float, high: float) -> str:
    """Return an interval, `-0.20 to +1.30`, or ABSENT; with few seeds the level of an early look excludes no number."""
    if math.isinf(low) and math.isinf(high):
        return "too few seeds"
    return ABSENT if math.isnan(low) or math.isnan(high) else f"{write(low)} to {write(high)}"


def unsigned(write: Write) -> Write:
    """Return the same format without a plus sign, for spreads."""
    return lambda value: write(value).removeprefix("+")


def verdict_word(contrast: Contrast) -> str:
    """Return the verdict: `better`, or `better?` if it is not confirmed."""
    if contrast.direction in ("", UNTOLD):
        return contrast.direction or ABSENT
    return contrast.direction + ("" if contrast.confirmed else "?")


def seeds_to_confirm(needed: Seeds) -> str:
    """Return the seeds needed, `14 to 26`: with a probability of 50 %, and of 80 %."""
    if math.isnan(needed.even):
        return ABSENT
    if math.isinf(needed.likely):
        return f"{needed.even:,.0f} or more" if math.isfinite(needed.even) else f">{MOST:,}"
    return f"{needed.even:,.0f}" if needed.even == needed.likely else f"{needed.even:,.0f} to {needed.likely:,.0f}"


def share(value: float) -> str:
    """Return a share with two decimals: `0.25`."""
    return f"{value:.2f}"


def _thousandths(value: float) -> str:
    return f"{value:.3f}"


def p_value(value: float) -> str:
    """Return p with four decimals: `0.0312`, `<.0001`."""
    return f"{value:.4f}" if value >= 0.0001 else "<.0001"


def one_digit(value: float) -> str:
    """Return a number with one decimal, `9.9`, or none from 100 on, `311`."""
    return f"{value:.1f}" if value < 100 else f"{value:,.0f}"


def figures(value: float) -> str:
    """Return a number with at least two significant figures, because an epoch may take milliseconds."""
    return one_digit(value) if value >= 9.95 or value == 0 else f"{value:.{max(0, 1 - math.floor(math.log10(value)))}f}"

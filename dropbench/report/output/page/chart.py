"""The chart of all arms: one row per arm with its interval and its seeds, at positions in percent of the browser's width."""

from __future__ import annotations

import math
from dataclasses import dataclass

from dropbench.report.records.measures import Measure
from dropbench.report.statistics.contrast import Contrast, levels
from dropbench.report.statistics.verdict import SAME, UNTOLD
from dropbench.report.tables.columns import ABSENT, verdict_word
from dropbench.report.tables.comparison import Comparison
from dropbench.report.tables.facts import at_once, limits, ranked, signed

MARGIN = 2.0
"""Percent of the width that stays empty at either side."""
MANY = 24
"""With more arms than this, rows are narrower, so that sixty fit in two screens."""
_TICKS = 6
"""About the most numbers on the axis."""
KINDS = {"better": "better", "worse": "worse", "higher": "higher", "lower": "lower", SAME: "same", UNTOLD: "untold"}
"""By a contrast's direction, the CSS class of its row, which sets colour and shape."""


@dataclass(frozen=True)
class Dot:
    """The difference under one seed. x: in percent."""

    x: float
    says: str


@dataclass(frozen=True)
class Row:
    """The row of an arm.

    number: its place in the comparison's table, from 1, by which its panel is found. kind: a class of KINDS. verdict: in words.
    mean, low, high: in percent; None if not finite. chosen: what of the arm was chosen on validation data, such as `rate`.
    """

    number: int
    label: str
    kind: str
    sure: bool
    verdict: str
    numbers: str
    mean: float | None
    low: float | None
    high: float | None
    dots: tuple[Dot, ...]
    chosen: str


@dataclass(frozen=True)
class Tick:
    """A number below the axis. x: in percent."""

    x: float
    text: str


@dataclass(frozen=True)
class Chart:
    """The rows of one measure, the best first.

    region: the ends of the region of equivalence, in percent; None: unknown. too_small: its size, `0.2 points`.
    """

    name: str
    spoken: str
    axis: str
    left: str
    right: str
    zero: float
    region: tuple[float, float] | None
    too_small: str
    ticks: tuple[Tick, ...]
    rows: tuple[Row, ...]

    @property
    def kinds(self) -> list[tuple[str, str]]:
        """The (class, word) of the verdicts in this chart, in the order of KINDS."""
        had = {row.kind for row in self.rows}
        return [(kind, word) for word, kind in KINDS.items() if kind in had]

    @property
    def hollow(self) -> bool:
        """Whether a verdict that could be confirmed is not, so that its mark is hollow; `cannot tell` always is."""
        return any(not row.sure and row.mean is not None and row.kind != KINDS[UNTOLD] for row in self.rows)

    @property
    def dotted(self) -> bool:
        """Whether it has dots of seeds."""
        return any(row.dots for row in self.rows)

    @property
    def chosen(self) -> str:
        """What was chosen on validation data, such as `rate`; empty if nothing was."""
        return next((row.chosen for row in self.rows if row.chosen), "")

    @property
    def height(self) -> int:
        """The height of a row, in pixels."""
        return 20 if len(self.rows) > MANY else 26

    @property
    def middle(self) -> int:
        """The vertical position of the interval in its row, in pixels; the seeds are below it."""
        return self.height // 2 - 4


def charts(c: Comparison) -> list[Chart]:
    """Return one chart for each measure that arms are compared by, the verdict's first; none without a baseline."""
    if c.baseline is None or c.measure is None or not c.verdicts:
        return []
    measures = [c.measure, *(m for m in c.compared if m != c.measure)]
    return [chart for m in measures if (chart := _chart(c, m)) is not None]


def _chart(c: Comparison, measure: Measure) -> Chart | None:
    contrasts = c.against(measure)
    numbers = [n for k in contrasts.values() for n in _numbers(k) if math.isfinite(n)]
    if not numbers:
        return None
    region = next(iter(contrasts.values())).region
    ends = [*numbers, 0.0, *((-region, region) if math.isfinite(region) else ())]
    place = _Scale(min(ends) * measure.scale, max(ends) * measure.scale, measure.scale)
    better = {1: ("worse", "better"), -1: ("better", "worse"), 0: ("lower", "higher")}[measure.direction]
    unit = "percentage points" if measure.points == "points" else measure.points or measure.declared.unit
    sure = levels(contrasts.values(), c.alpha)
    holds = f", which hold {at_once(len(contrasts))}" if len(contrasts) > 1 else ""
    return Chart(
        str(measure),
        measure.spoken,
        f"{measure.spoken} minus that of {c.base}{f', in {unit}' if unit else ''}, with {sure} intervals{holds}",
        *better,
        place(0.0),
        (place(-region), place(region)) if math.isfinite(region) else None,
        measure.size(region) if math.isfinite(region) else "",
        tuple(Tick(place(at / measure.scale), signed(f"{at:g}")) for at in place.ticks()),
        tuple(_row(c, label, contrasts[label], place) for label in ranked(contrasts)),
    )


def _numbers(contrast: Contrast) -> list[float]:
    d = contrast.difference
    return [d.mean, d.low, d.high, *contrast.values.values()]


class _Scale:
    """Maps a value in the measure's unit to percent of the width. low, high: the ends of the axis, in the unit shown."""

    def __init__(self, low: float, high: float, scale: float) -> None:
        self.low, self.scale = low, scale
        self.high = high if high > low else low + 1

    def __call__(self, value: float) -> float:
        share = (value * self.scale - self.low) / (self.high - self.low)
        return round(MARGIN + share * (100 - 2 * MARGIN), 2)

    def ticks(self) -> list[float]:
        """Return round numbers on the axis, in the unit shown."""
        least = (self.high - self.low) / _TICKS
        power = 10.0 ** math.floor(math.log10(least))
        step = next(step for n in (1, 2, 5, 10) if (step := n * power) >= least)
        places = range(math.ceil(self.low / step), math.floor(self.high / step) + 1)
        return [float(f"{at * step:.10g}") for at in places]


def _row(c: Comparison, label: str, contrast: Contrast, place: _Scale) -> Row:
    d, measure = contrast.difference, contrast.measure
    chosen = {choice.chosen: choice.word for choice in c.choices}
    between = limits(contrast)
    told = contrast.verdict or "no verdict"
    if d.diverged:
        told += f", {d.diverged} {contrast.how_lost}"
    mean, low, high = (place(v) if math.isfinite(v) else None for v in (d.mean, d.low, d.high))
    finite = {seed: v for seed, v in contrast.values.items() if math.isfinite(v)}
    return Row(
        c.labels.index(label) + 1,
        label,
        KINDS.get(contrast.direction, "untold"),
        contrast.confirmed,
        told if verdict_word(contrast) != ABSENT else "no verdict",
        f"{signed(measure.difference(d.mean))}{f' ({between})' if between else ''}" if not math.isnan(d.mean) else "",
        mean,
        low,
        high,
        tuple(Dot(place(v), signed(f"seed {seed}: {measure.difference(v)}")) for seed, v in finite.items()),
        chosen.get(label, ""),
    )

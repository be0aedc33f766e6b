"""Describes what runs measured: which of two values is better, the unit, and how a value is written.

A measure is a metric on a part of the data, such as `test_accuracy`. Parts are train, val, test and gap (train minus
validation).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from importlib.util import find_spec

import pandas as pd

from dropbench.errors import UsageError, nearest
from dropbench.report.records.frame import PARTS
from dropbench.store import Measure as Declaration
from dropbench.store import Record
from dropbench.values import plain

LEADING = ("accuracy", "rmse", "loss")
"""The metrics that come first in a table. By default, verdicts use the first of them that the runs have."""
PERCENT = "percent"
WHOLE = ("epochs", "updates")
"""Units that are whole numbers: their means are shown with one decimal."""
SIGN = {"higher": 1, "lower": -1, "neither": 0}

Write = Callable[[float], str]


@dataclass(frozen=True)
class Measure:
    """A metric on a part of the data. Its text is the name of its column: `test_accuracy`."""

    part: str
    metric: str
    declared: Declaration = field(default=Declaration(), repr=False)

    def __str__(self) -> str:
        return f"{self.part}_{self.metric}"

    def on(self, part: str) -> Measure:
        """Returns the same metric on another part."""
        return replace(self, part=part)

    @property
    def name(self) -> str:
        """The metric as it is written in text: `accuracy`, `reliability ece`."""
        return self.metric.replace("_", " ")

    @property
    def where(self) -> str:
        """The part as it is written in text: `validation`."""
        return "validation" if self.part == "val" else self.part

    @property
    def spoken(self) -> str:
        """The measure as it is written in text: `test accuracy`, `validation loss`."""
        return f"{self.where} {self.name}"

    @property
    def direction(self) -> int:
        """1 if higher is better, -1 if lower is better, 0 if that is not known.

        A smaller gap is better: lower for accuracies, but higher for losses, whose gap is negative in overfitting.
        """
        sign = SIGN[self.declared.direction]
        return -sign if self.part == "gap" else sign

    @property
    def is_share_of_examples(self) -> bool:
        """Whether it is the share of examples that are right: an accuracy, but not one that is averaged over classes."""
        return self.metric.endswith("accuracy") and not self.metric.endswith("balanced_accuracy")

    @property
    def in_percent(self) -> bool:
        """Whether it is a fraction that is shown in percent."""
        return self.declared.unit == PERCENT

    @property
    def scale(self) -> float:
        """The factor by which a value is multiplied to be shown."""
        return 100.0 if self.in_percent else 1.0

    @property
    def axis(self) -> str:
        """The label of an axis of values: `validation accuracy, %`."""
        return f"{self.spoken}, %" if self.in_percent else self.spoken

    @property
    def unit(self) -> str:
        """The second line of the heading of a column of values."""
        return ("points" if self.part == "gap" else "%") if self.in_percent else ""

    @property
    def points(self) -> str:
        """The second line of the heading of a column of differences."""
        return "points" if self.in_percent else ""

    def level(self, value: float) -> str:
        """Returns a value as text: accuracies in percent, gaps with a sign."""
        sign = "+" if self.part == "gap" else ""
        return f"{round(100 * value, 1) + 0.0:{sign}.1f}" if self.in_percent else self._plain(value, sign)

    def difference(self, value: float) -> str:
        """Returns a difference as text: of accuracies in points."""
        return f"{round(100 * value, 2) + 0.0:+.2f}" if self.in_percent else self._plain(value, "+")  # no -0.00

    def size(self, value: float) -> str:
        """Returns a width, such as that of the region of equivalence, in the measure's unit: `0.2 points`, `0.0123`."""
        return f"{100 * value:.3g} points" if self.in_percent else f"{value:.3g}"

    def _plain(self, value: float, sign: str) -> str:
        if 0 < abs(value) < 5e-4 and self.declared.unit != "nats":  # such as errors of a target in small units
            return f"{value:{sign}.3g}"
        digits = 1 if self.declared.unit in WHOLE else 3
        small = math.isfinite(value) and abs(value) < 100
        return f"{round(value, digits) + 0.0:{sign}.{digits}f}" if small else f"{value:{sign},.1f}"


@dataclass(frozen=True)
class Measures:
    """The declarations of the runs' metrics, by name. A metric without one gets the defaults of `Declaration`.

    disputed: the names of metrics that the runs declare differently.
    """

    declared: Mapping[str, Declaration]
    disputed: tuple[str, ...] = ()

    @classmethod
    def of_records(cls, records: Iterable[Record]) -> Measures:
        """Returns the declarations in the records; if they differ for a metric, that of its newest version is used for all."""
        told: dict[str, dict[Declaration, None]] = {}
        for record in records:
            for name, declaration in record.measures.items():
                told.setdefault(plain(name), {})[declaration] = None
        newest = {name: max(several, key=lambda d: d.version) for name, several in told.items()}
        return cls(newest, tuple(name for name, several in told.items() if len(several) > 1))

    def of(self, part: str, metric: str) -> Measure:
        """Returns the measure of a metric on a part of the data."""
        return Measure(part, metric, self.declared.get(metric, Declaration()))

    def read(self, column: str) -> Measure:
        """Returns the measure that a column holds."""
        part, _, metric = column.partition("_")
        return self.of(part, metric)

    def within(self, runs: pd.DataFrame) -> list[Measure]:
        """Returns the measures of all metrics that some of these runs have: LEADING first, then by name, then by part."""
        columns = [
            self.read(c)
            for c in runs.columns
            if "." not in c and c.startswith(tuple(f"{p}_" for p in PARTS)) and not c.endswith("_examples")
        ]
        had = {m.metric for m in columns if runs[str(m)].notna().any()}
        metrics = [*(name for name in LEADING if name in had), *sorted(had - set(LEADING))]
        return sorted(
            (m for m in columns if m.metric in had), key=lambda m: (metrics.index(m.metric), PARTS.index(m.part))
        )

    def resolve(self, runs: pd.DataFrame, wanted: str | None) -> Measure | None:
        """Returns the measure that a `--metric` means: `accuracy` is test_accuracy.

        Without one (None) it is the first metric measured on the test split, or None if there is none. Raises UsageError for a
        metric that no run has.
        """
        by_name = {str(m): m for m in self.within(runs)}
        if wanted is None:
            return next((m for m in by_name.values() if m.part == "test"), None)
        for name in (f"test_{wanted}", wanted):
            if name in by_name:
                return by_name[name]
        if parts := [name for name, m in by_name.items() if m.metric == wanted]:
            raise UsageError(f"--metric {wanted}: no run here measured it on the test split; write --metric {parts[0]}")
        metrics = list(dict.fromkeys(m.metric for m in by_name.values() if f"test_{m.metric}" in by_name))
        if wanted.isidentifier() and find_spec(f"dropbench.metrics.{wanted}") is not None:
            again = f"'metric=[{','.join([*metrics, wanted])}]'"
            raise UsageError(f"--metric {wanted}: no run here measured it; type their sweep again, with {again}")
        raise UsageError(f"--metric {wanted}: no run here has this metric; {nearest(wanted, [*metrics, *by_name])}")

"""What the diagnosis looks at: each arm against the baseline on any measure, each run's curves, and its settings."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dropbench.report.records.history import columns
from dropbench.report.records.measures import base, difference, direction, unit
from dropbench.report.statistics.interval import MIN_PAIRS
from dropbench.report.statistics.permutation import holm
from dropbench.report.statistics.verdict import region, verdict
from dropbench.report.tables.compare import Difference, Scores, differ

if TYPE_CHECKING:
    import pandas as pd

Config = Mapping[str, Any]
Curves = Mapping[str, Sequence[float]]
"""Columns of a run's history, a value an epoch; NaN in epochs that were not evaluated."""


@dataclass(frozen=True)
class Contrast:
    """An arm against another on a measure that has a better side. rope: half the width of what does not matter."""

    difference: Difference
    p_holm: float
    word: str
    sign: int
    rope: float
    measure: str

    @property
    def not_better(self) -> bool:
        """Whether an improvement that matters is excluded: one end of the interval, so 97.5 % sure."""
        return self._told and self._good(self.difference)[1] <= self.rope

    @property
    def not_worse(self) -> bool:
        """Whether a loss that matters is excluded."""
        return self._told and self._good(self.difference)[0] >= -self.rope

    def __str__(self) -> str:
        """`+1.20 points (95 % interval +0.50 to +1.90)`."""
        d, write = self.difference, difference(self.measure)
        points = unit(self.measure, of_difference=True)
        mean = f"{write(d.mean)} {points}".rstrip()
        if math.isnan(d.low) or math.isnan(d.high):
            return mean
        return f"{mean} (95 % interval {write(d.low)} to {write(d.high)})"

    @property
    def _told(self) -> bool:
        d = self.difference
        return d.n >= MIN_PAIRS and math.isfinite(d.low) and math.isfinite(d.high) and math.isfinite(self.rope)

    def _good(self, d: Difference) -> tuple[float, float]:
        """The interval with better upwards."""
        return (d.low, d.high) if self.sign > 0 else (-d.high, -d.low)


@dataclass(frozen=True)
class Evidence:
    """One comparison. runs: its rows, with `label`. labels: of its arms. rope: as typed. measure: what verdicts are about.

    configs: by arm. histories: where each run's epochs are, by run id; they are read when a rule asks for them.
    """

    runs: pd.DataFrame
    labels: Sequence[str]
    baseline: str
    measure: str
    rope: str | None
    configs: Mapping[str, Config]
    histories: Mapping[str, Path]
    _read: dict[str, Curves] = field(default_factory=dict, repr=False)
    _against: dict[str, dict[str, Contrast]] = field(default_factory=dict, repr=False)

    @property
    def others(self) -> list[str]:
        return [label for label in self.labels if label != self.baseline]

    @property
    def metric(self) -> str:
        """`accuracy`."""
        return base(self.measure)

    @property
    def score(self) -> str:
        """Where help is seen: the verdict's own measure, or the test score where that is a gap or of the training split."""
        return self.measure if self.measure.startswith(("test_", "val_")) else f"test_{self.metric}"

    def done(self, label: str) -> pd.DataFrame:
        """The arm's completed runs."""
        return self.runs[(self.runs["label"] == label) & (self.runs["status"] == "completed")]

    def seeds(self, label: str) -> tuple[int, ...]:
        """Of all of its runs, failed ones too."""
        return tuple(sorted(int(s) for s in self.runs.loc[self.runs["label"] == label, "seed"]))

    def learned(self, label: str) -> bool:
        """Whether its variant learns its rates: the one in the settings is then where they start."""
        return any(self.runs.loc[self.runs["label"] == label, "learned_rates"])

    def scores(self, label: str, measure: str) -> Scores:
        """By seed; nothing where it was not measured."""
        done = self.done(label)
        return dict(zip(done["seed"].tolist(), done[measure].tolist(), strict=True)) if measure in done else {}

    def region(self, measure: str) -> float:
        """What does not matter: of a training score as much as of the validation score, for it may be next to nothing."""
        return region(self.rope, measure.replace("train_", "val_", 1), self.done(self.baseline))

    def against(self, measure: str) -> Mapping[str, Contrast]:
        """Each arm against the baseline, by label, Holm over them. Empty without a better side, or where none has it."""
        if measure not in self._against:
            scores = {label: self.scores(label, measure) for label in self.labels}
            found: dict[str, Contrast] = {}
            if direction(measure) and any(scores[label] for label in self.others) and scores[self.baseline]:
                found = contrasts(
                    {label: scores[label] for label in self.others},
                    scores[self.baseline],
                    measure,
                    direction(measure),
                    self.region(measure),
                )
            self._against[measure] = found
        return self._against[measure]

    def curves(self, label: str) -> dict[int, Curves]:
        """By seed, of the runs that have a history: those that diverged too."""
        found = {}
        rows = self.runs[self.runs["label"] == label]
        for seed, run in zip(rows["seed"].tolist(), rows["run_id"].tolist(), strict=True):
            if run not in self._read:
                self._read[run] = columns(self.histories[run]) if run in self.histories else {}
            if self._read[run]:
                found[int(seed)] = self._read[run]
        return found


def contrasts(arms: Mapping[str, Scores], other: Scores, measure: str, sign: int, rope: float) -> dict[str, Contrast]:
    """Each arm minus the other one, with Holm's p over the arms. measure: what the numbers are written as."""
    differences = [differ(scores, other, sign) for scores in arms.values()]
    return {
        label: Contrast(d, p, verdict(d.low, d.high, p, d.n, rope, sign), sign, rope, measure)
        for label, d, p in zip(arms, differences, holm([d.p for d in differences]), strict=True)
    }

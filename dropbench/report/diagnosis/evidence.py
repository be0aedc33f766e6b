"""The evidence for the diagnosis: each arm against the baseline on any measure, each run's curves, and its settings."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from dropbench.report.records.history import columns
from dropbench.report.records.measures import Measure
from dropbench.report.statistics.contrast import Contrast
from dropbench.report.tables.arms import belongs_to_arm
from dropbench.report.tables.columns import p_value
from dropbench.report.tables.comparison import Comparison, Config
from dropbench.store.epochs import Epochs
from dropbench.values import flatten

Curves = Mapping[str, Sequence[float]]
"""Columns of a run's history, with one value per epoch; NaN in epochs that were not evaluated."""
_HELD = 2_000
"""The number of runs whose curves are kept in memory; those of 10^5 runs would fill it."""


@dataclass(frozen=True)
class Evidence:
    """One comparison, with the curves and settings of its runs.

    Parameters
    ----------
    baseline : str
        The label of the comparison's baseline, which must exist.
    measure : Measure
        The measure of its verdict.
    configs : Mapping
        The configuration of each arm, by its label.
    histories : Mapping
        The path of each run's history, by run id; it is read when a rule asks for the curves.
    epochs : Mapping
        The summary of each run's history, by run id, which is known without reading the curves.
    """

    comparison: Comparison
    baseline: str
    measure: Measure
    configs: Mapping[str, Config]
    histories: Mapping[str, Path]
    epochs: Mapping[str, Epochs]
    _read: dict[str, Curves] = field(default_factory=dict, repr=False)

    @property
    def others(self) -> list[str]:
        """The labels of all arms but the baseline."""
        return self.comparison.others

    @property
    def score(self) -> Measure:
        """The measure that shows whether an arm helps: the verdict's, or the test score if that one is a gap or of training."""
        return self.measure if self.measure.part in ("test", "val") else self.measure.on("test")

    def seeds(self, label: str) -> tuple[int, ...]:
        """Return the seeds of all runs of an arm, including failed runs."""
        return tuple(sorted(map(int, self.comparison.runs_of(label)["seed"])))

    def learned(self, label: str) -> bool:
        """Return whether an arm's variant learns its rates; the rate in the settings is then only the initial value."""
        return any(self.comparison.runs_of(label)["learned_rates"])

    def against(self, measure: Measure) -> Mapping[str, Contrast]:
        """Return each arm's contrast with the baseline, by label. Empty without a better direction or without the measure."""
        scores = self.comparison.scores
        if not (measure.direction and scores(self.baseline, measure) and any(scores(o, measure) for o in self.others)):
            return {}
        contrasts = self.comparison.against(measure)
        if measure.part != "train":
            return contrasts
        # The region is that of the validation score, because a training score may be close to 0 and a share of it too small.
        region = self.comparison.region(measure.on("val"))
        return {label: replace(c, region=region) for label, c in contrasts.items()}

    def regularized(self, label: str) -> bool:
        """Return whether an arm differs from the baseline only in regularizers; arms of a study may differ in anything."""
        ours, theirs = (_settings(self.configs[o]) for o in (label, self.baseline))
        return all(ours.get(k) == theirs.get(k) for k in ours.keys() | theirs.keys() if not belongs_to_arm(k))

    def known(self, label: str) -> dict[int, Epochs]:
        """Return the summaries of the histories by seed, for every run that has one, including diverged runs."""
        rows = self.comparison.runs_of(label)
        runs = zip(rows["seed"].tolist(), rows["run_id"].tolist(), strict=True)
        return {int(seed): self.epochs[run] for seed, run in runs if run in self.epochs}

    def curves(self, label: str) -> dict[int, Curves]:
        """Return the curves by seed, for every run that has a history, including diverged runs."""
        by_seed = {}
        rows = self.comparison.runs_of(label)
        for seed, run in zip(rows["seed"].tolist(), rows["run_id"].tolist(), strict=True):
            known = self._read.pop(run, None)
            if known is None:
                known = columns(self.histories[run]) if run in self.histories else {}
            self._read[run] = known  # moved to the end, because entries are discarded from the start
            if known:
                by_seed[int(seed)] = known
        while len(self._read) > max(_HELD, 2 * len(rows)):
            del self._read[next(iter(self._read))]
        return by_seed


def p_of(contrast: Contrast) -> str:
    """Return p as in the table: `p = 0.0039`."""
    shown = p_value(contrast.difference.p_adjusted)
    return f"p {shown}" if shown.startswith("<") else f"p = {shown}"


def _settings(config: Config) -> dict[str, Any]:
    return flatten({key: value for key, value in config.items() if key not in ("metric", "seed")})

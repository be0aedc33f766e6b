"""The position of an optimum: a confidence set of the values of a key that may be the best one."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import pandas as pd

from dropbench.errors import UsageError
from dropbench.report.records.measures import Measure
from dropbench.report.statistics import moments
from dropbench.report.statistics.best import beaten, shares
from dropbench.report.tables.comparison import Comparison
from dropbench.report.tables.factors import Factors, Series
from dropbench.report.tables.selection import safest
from dropbench.values import number


@dataclass(frozen=True)
class Candidate:
    """One value of the key.

    Parameters
    ----------
    level, label : str
        The value, and the label of its arm.
    mean, sd : float
        Mean and sd of the measure over the seeds that all candidates have; NaN if there are too few seeds.
    share : float
        The share of bootstrap resamples of the seeds (joint for all candidates) in which its mean is the best.
    beaten_by : str
        A value that is confirmed to be better, the one with the smallest p; empty if there is none, so that this value may be
        the best.
    """

    level: str
    label: str
    mean: float
    sd: float
    share: float
    beaten_by: str

    @property
    def possible(self) -> bool:
        """Whether it is in the confidence set for the best value."""
        return not self.beaten_by


@dataclass(frozen=True)
class Optimum:
    """The values of a key in one set of arms that differ in nothing else, in their order.

    seeds: the number of seeds that all candidates have. left_out: values without a score, with an infinite score, or with a
    larger share of diverged seeds than other values.
    """

    series: Series
    measure: Measure
    candidates: tuple[Candidate, ...]
    seeds: int
    left_out: tuple[str, ...]

    @property
    def best(self) -> Candidate | None:
        """The candidate with the best mean; None without a seed that all have."""
        known = [c for c in self.candidates if c.mean == c.mean]
        return max(known, key=lambda c: self.measure.direction * c.mean, default=None)

    @property
    def at_edge(self) -> bool:
        """Whether the smallest or the largest number is the best, so that the optimum may lie beyond the values tried.

        A smallest value of 0 is not an edge, because no smaller value is possible.
        """
        if self.best is None or any(number(c.level) is None for c in self.candidates):
            return False
        return self.best is self.candidates[-1] or (self.best is self.candidates[0] and number(self.best.level) != 0)

    @property
    def table(self) -> pd.DataFrame:
        """One row per candidate, with numbers in the measure's own unit."""
        rows = [{**vars(c), "possible": c.possible, "best": c is self.best} for c in self.candidates]
        return pd.DataFrame(
            [{"key": self.series.key, "arms": self.series.name, "measure": str(self.measure), **r} for r in rows]
        )


def optima(factors: Factors, key: str, measure: Measure, whole: Comparison) -> list[Optimum]:
    """Return one Optimum for each set of arms that differ only in the key; for a rate, each set includes arms without dropout.

    Raises UsageError if no arms differ only in the key, if none of them has a score, or if the measure has no known better
    direction.
    """
    if not measure.direction:
        raise UsageError(
            f"--optimum {key}: it is not known whether higher or lower {measure.spoken} is better; choose another --metric"
        )
    found = [o for series in factors.series(key) if (o := _optimum(series, measure, whole)).candidates]
    if not found:
        raise UsageError(
            f"--optimum {key}: no value has a score in {measure.spoken} under all its seeds; choose another --metric"
        )
    return found


def _optimum(series: Series, measure: Measure, whole: Comparison) -> Optimum:
    # A time to a score that some runs never reached is infinite, so it has no mean.
    labels = [
        label
        for label in safest(whole.runs, series.labels)
        if (of := whole.scores(label, measure)) and not any(map(math.isinf, of.values()))
    ]
    by_label = {label: whole.scores(label, measure) for label in labels}
    seeds = (
        sorted(set.intersection(*({s for s, v in of.items() if v == v} for of in by_label.values()))) if labels else []
    )
    table = np.array([[by_label[label][s] for label in labels] for s in seeds]).reshape(len(seeds), len(labels))
    chances = shares(measure.direction * table)
    better = beaten(labels, measure, whole.scores, whole.diverged, whole.widened)
    candidates = [
        Candidate(
            series.levels[label],
            label,
            moments.mean(table[:, i]),
            moments.sd(table[:, i]),
            chances[i],
            series.levels[better[label]] if label in better else "",
        )
        for i, label in enumerate(labels)
    ]
    left_out = tuple(series.levels[label] for label in series.labels if label not in labels)
    return Optimum(series, measure, tuple(candidates), len(seeds), left_out)

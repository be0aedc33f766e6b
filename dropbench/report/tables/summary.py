"""Summaries of arms: the number of runs, and the mean and spread of everything that was measured."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import median

import pandas as pd

from dropbench.report.records.measures import Measure
from dropbench.report.statistics import moments
from dropbench.report.tables.arms import Arm
from dropbench.report.tables.attribution_agreement import Agreement

COSTS = ("best_epoch", "chosen_epoch", "seconds", "epoch_seconds", "peak_memory_mb")
"""What is summarised beside the measures. Epochs are counted from 1; seconds are the run's share of the cohort's time; memory
is that of the whole cohort."""


@dataclass(frozen=True)
class Level:
    """Mean, sd (ddof 1) and median over an arm's completed runs; NaN if they cannot be computed.

    never: the number of runs with an infinite value, such as the time to a score that was never reached. n: the number of runs
    with a value.
    """

    mean: float = math.nan
    sd: float = math.nan
    median: float = math.nan
    never: int = 0
    n: int = 0


@dataclass(frozen=True)
class Summary:
    """One arm of a comparison.

    Parameters
    ----------
    n, failed, diverged : int
        The numbers of runs that completed, failed and diverged.
    levels : Mapping
        The levels by measure; accuracies as fractions, losses in nats.
    costs : Mapping
        The levels by name in COSTS.
    agreement : Agreement or None
        The agreement of its runs' attribution maps; None if no arm of the comparison has any.
    """

    arm: Arm
    n: int
    failed: int
    diverged: int
    levels: Mapping[Measure, Level]
    costs: Mapping[str, Level]
    agreement: Agreement | None


def summarise(
    runs: pd.DataFrame, arms: Sequence[Arm], measures: Sequence[Measure], agreements: Mapping[str, Agreement]
) -> list[Summary]:
    """Return a summary of each arm; runs: of one comparison, with `label`; agreements: by label, empty if there are none."""
    done = runs[runs["status"] == "completed"]
    counts = Counter(zip(runs["label"].tolist(), runs["status"].tolist(), strict=True))
    names = [*map(str, measures), *COSTS]
    values = done[names].to_numpy(float)
    levels = {
        str(label): dict(zip(names, map(_level, values[rows].T.tolist()), strict=True))
        for label, rows in done.groupby("label").indices.items()
    }

    def level(label: str, name: str) -> Level:
        return levels[label][name] if label in levels else Level()

    return [
        Summary(
            arm,
            counts[arm.label, "completed"],
            counts[arm.label, "failed"],
            counts[arm.label, "diverged"],
            {m: level(arm.label, str(m)) for m in measures},
            {name: level(arm.label, name) for name in COSTS},
            agreements.get(arm.label),
        )
        for arm in arms
    ]


def _level(values: Sequence[float]) -> Level:
    """Return the level of one measure of one arm; values: of its runs, NaN where a run has none."""
    known = [v for v in values if v == v]
    return Level(
        moments.mean(known),
        moments.sd(known),
        median(known) if known else math.nan,
        sum(map(math.isinf, known)),
        len(known),
    )

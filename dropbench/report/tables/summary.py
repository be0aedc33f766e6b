"""Summaries of arms: the number of runs, and the mean and spread of everything that was measured."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from dropbench.report.records.measures import Measure
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
    grouped = done.groupby("label")[names]
    with np.errstate(invalid="ignore"):  # a loss of inf has a mean of inf and no sd: nothing to warn about
        parts = [part.to_dict("index") for part in (grouped.mean(), grouped.std(ddof=1), grouped.median())]
    endless = done[names].astype(float).map(math.isinf).groupby(done["label"]).sum()
    parts += [endless.to_dict("index"), grouped.count().to_dict("index")]

    def level(label: str, name: str) -> Level:
        return Level(*(part[label][name] for part in parts)) if label in parts[0] else Level()

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

"""The numbers of one table: each arm's summary, and its differences from the baseline arm, paired by seed.

The seed is the unit: an arm and the baseline under one seed share data, initialisation and noise, so a difference is
taken within each seed first. Intervals are Student's t on those differences; `paired` is where others will slot in.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from dropbench.report.frame import NUMBERS

if TYPE_CHECKING:
    import pandas as pd

CONFIDENCE = 0.95
INTERVAL = "95 % paired t interval"
DIFFERENCES = ("test_accuracy", "gap_accuracy", "val_accuracy", "test_loss", "gap_loss")
MIN_PAIRS = 6
"""With n pairs a two-sided sign-flip test reaches p = 2/2^n at best: .0625 for five, .031 for six."""


@dataclass(frozen=True)
class Difference:
    """Arm minus baseline over the pairs, in the metric's own unit. sd (ddof 1), low and high need two pairs: else NaN."""

    pairs: int
    mean: float = math.nan
    sd: float = math.nan
    low: float = math.nan
    high: float = math.nan


def paired(differences: Iterable[float]) -> Difference:
    """The mean of paired differences with its sd and Student's t interval (n - 1 degrees of freedom). NaN are no pairs."""
    values = [d for d in differences if not math.isnan(d)]
    n = len(values)
    if n == 0:
        return Difference(0)
    mean = sum(values) / n
    if n == 1 or not all(map(math.isfinite, values)):
        return Difference(n, mean)
    sd = statistics.stdev(values)
    half = _t_quantile((1 + CONFIDENCE) / 2, n - 1) * sd / math.sqrt(n)
    return Difference(n, mean, sd, mean - half, mean + half)


def summarise(frame: pd.DataFrame, labels: Sequence[str], baseline: str | None) -> pd.DataFrame:
    """One row for each of `labels`, in that order, from the rows of one comparison (which have a `label` column).

    Columns: arm, n (completed runs), failed, diverged; for each of NUMBERS `<name>_mean` and `<name>_sd` over completed
    runs; pairs; for each of DIFFERENCES `<name>_diff_mean`, `_diff_sd`, `_diff_low`, `_diff_high` against the baseline,
    NaN in the baseline's own row and where there is no baseline. Fractions and nats, not percent. NaN where unknown.
    """
    import numpy as np
    import pandas as pd

    done = frame[frame["status"] == "completed"]
    counts = pd.crosstab(frame["label"], frame["status"])
    table = pd.DataFrame({"arm": list(labels)}, index=list(labels))
    for column, status in (("n", "completed"), ("failed", "failed"), ("diverged", "diverged")):
        found = counts.get(status, pd.Series(dtype=int))
        table[column] = found.reindex(table.index, fill_value=0).astype(int)
    grouped = done.groupby("label")
    with np.errstate(invalid="ignore"):  # a loss of inf has a mean of inf and no sd: nothing to warn about
        means, sds = grouped[list(NUMBERS)].mean(), grouped[list(NUMBERS)].std(ddof=1)
    columns: dict[str, Any] = {}
    for name in NUMBERS:
        columns[f"{name}_mean"], columns[f"{name}_sd"] = (
            means[name].reindex(table.index),
            sds[name].reindex(table.index),
        )
    columns |= _differences(done, table.index, baseline)
    return pd.concat([table, pd.DataFrame(columns, index=table.index)], axis=1).reset_index(drop=True)


def _differences(done: pd.DataFrame, labels: pd.Index, baseline: str | None) -> dict[str, list[float] | list[int]]:
    import numpy as np

    columns: dict[str, list[float] | list[int]] = {}
    for name in DIFFERENCES:
        scores = done.pivot(index="seed", columns="label", values=name)
        found = []
        for label in labels:
            if baseline in scores.columns and label in scores.columns and label != baseline:
                with np.errstate(invalid="ignore"):
                    found.append(paired((scores[label] - scores[baseline]).tolist()))
            else:
                found.append(Difference(0))
        if name == DIFFERENCES[0]:
            columns["pairs"] = [d.pairs for d in found]
        for part in ("mean", "sd", "low", "high"):
            columns[f"{name}_diff_{part}"] = [getattr(d, part) for d in found]
    return columns


def _t_quantile(p: float, df: int) -> float:
    # Late, and not scipy.stats: that alone takes longer to load than the rest of a report.
    from scipy.special import stdtrit

    return float(stdtrit(df, p))

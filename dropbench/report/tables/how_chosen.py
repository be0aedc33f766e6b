"""At which epoch the numbers of a table were taken, as a sentence."""

from __future__ import annotations

import pandas as pd

from dropbench.report.records.frame import rows_of
from dropbench.report.records.measures import Measures
from dropbench.values import absent


def rule(runs: pd.DataFrame, measures: Measures) -> str:
    """How the epoch was chosen is in each run's configuration."""
    keys = ("train.monitor", "train.patience", "train.restore_best")
    chosen = [dict(zip(keys, (row.get(k) for k in keys), strict=True)) for row in rows_of(runs)]
    best = [c for c in chosen if not _none(c["train.patience"]) and c["train.restore_best"] is True]
    monitored = [measures.read(m) for m in {str(c["train.monitor"]) for c in best}]
    score = "the best validation score"
    if len(monitored) == 1 and monitored[0].direction:
        score = f"the {'highest' if monitored[0].direction > 0 else 'lowest'} {monitored[0].spoken}"
    epoch = "the last epoch"
    if best:
        every = len(best) == len(chosen)
        epoch = f"the epoch with {score}" if every else f"the last epoch, or with early stopping the epoch with {score}"
    sizes = {n for n in runs["test_examples"].tolist() if isinstance(n, int)}
    size = f" ({sizes.pop():,} examples)" if len(sizes) == 1 else ""
    spread = " ± is the sd over seeds." if runs["seed"].nunique() > 1 else ""
    return (
        f"Rule: every number is from {epoch}, and the test split{size} was read once, there. "
        f"Gap = training minus validation, both in eval mode.{spread}"
    )


def _none(value: object) -> bool:
    return value is None or absent(value)

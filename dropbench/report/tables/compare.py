"""The numbers of one table: each arm's summary, and its differences from the baseline arm, paired by seed.

The seed is the unit: an arm and the baseline under one seed share data, initialisation and noise, so a difference is
taken within each seed first. Arms that share no seed with the baseline are compared as independent samples (Welch).
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from dropbench.report.records.measures import LEADING, base, columns, direction, measured
from dropbench.report.statistics import improvement
from dropbench.report.statistics.interval import interval, t_quantile
from dropbench.report.statistics.permutation import holm, sign_flip
from dropbench.report.statistics.power import detectable, seeds_to_settle
from dropbench.report.statistics.verdict import region, verdict

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

Scores = Mapping[int, float]
"""By seed."""

WELCH = "Welch t"
COSTS = ("best_epoch", "chosen_epoch", "seconds", "epoch_seconds", "peak_memory_mb")
"""What is summarised beside the measures: epochs are counted from 1; seconds are a run's share of its cohort's, memory is the
cohort's."""


@dataclass(frozen=True)
class Difference:
    """Arm minus baseline in the measure's own unit; NaN for what cannot be told.

    pairs: seeds in both arms. n: what the numbers rest on, the pairs, or the smaller arm's runs without any. mean: of the
    differences, or the difference of the means. sd: of the differences (ddof 1), NaN without pairs. error, df: of the mean.
    low, high: 95 % interval by `interval`, the method's name. p: two-sided.
    """

    pairs: int = 0
    n: int = 0
    mean: float = math.nan
    sd: float = math.nan
    error: float = math.nan
    df: float = math.nan
    low: float = math.nan
    high: float = math.nan
    interval: str = ""
    p: float = math.nan
    chance: improvement.Probability = improvement.UNKNOWN


def differ(arm: Scores, baseline: Scores, sign: int) -> Difference:
    """The difference of two arms' scores {seed: score}; NaN is none. sign: see measures.direction.

    Without an interval where a score is infinite, and with fewer than two pairs (unpaired: than two runs an arm).
    """
    import numpy as np

    ours = {seed: score for seed, score in arm.items() if score == score}
    theirs = {seed: score for seed, score in baseline.items() if score == score}
    if shared := sorted(ours.keys() & theirs.keys()):  # sorted: resamples are by place
        with np.errstate(invalid="ignore"):
            return paired(np.array([ours[s] for s in shared]) - np.array([theirs[s] for s in shared]), sign)
    return unpaired(np.array(list(ours.values())), np.array(list(theirs.values())), sign)


def paired(differences: Floats, sign: int = 1) -> Difference:
    """Of n paired differences [n]."""
    import numpy as np

    n = len(differences)
    if n == 0:
        return Difference()
    if n == 1 or not np.isfinite(differences).all():
        with np.errstate(invalid="ignore"):
            return Difference(n, n, float(differences.mean()))
    sd = float(differences.std(ddof=1))
    found = interval(differences)
    return Difference(
        pairs=n,
        n=n,
        mean=float(differences.mean()),
        sd=sd,
        error=sd / math.sqrt(n),
        df=n - 1,
        low=found.low,
        high=found.high,
        interval=found.method,
        p=float(sign_flip(differences[:, None])[0]),
        chance=improvement.paired(differences, sign),
    )


def unpaired(arm: Floats, baseline: Floats, sign: int = 1) -> Difference:
    """Of independent runs, [n] and [m]: Welch's t (Welch 1947), which lets the arms have different variances."""
    import numpy as np

    n, m = len(arm), len(baseline)
    if n == 0 or m == 0:
        return Difference()
    with np.errstate(invalid="ignore"):
        mean = float(arm.mean() - baseline.mean())
    if min(n, m) < 2 or not (np.isfinite(arm).all() and np.isfinite(baseline).all()):
        return Difference(0, min(n, m), mean)
    ours, theirs = float(arm.var(ddof=1)) / n, float(baseline.var(ddof=1)) / m
    error = math.sqrt(ours + theirs)
    df = (ours + theirs) ** 2 / (ours**2 / (n - 1) + theirs**2 / (m - 1)) if error else n + m - 2.0
    half = t_quantile(0.975, df) * error
    return Difference(
        n=min(n, m),
        mean=mean,
        error=error,
        df=df,
        low=mean - half,
        high=mean + half,
        interval=WELCH,
        p=_two_sided(mean, error, df),
        chance=improvement.unpaired(arm, baseline, sign),
    )


def summarise(
    frame: pd.DataFrame,
    labels: Sequence[str],
    baseline: str | None,
    measure: str | None = None,
    rope: str | None = None,
) -> pd.DataFrame:
    """One row for each of `labels`, in that order, from the rows of one comparison (which have a `label` column).

    measure: what the verdict is about. rope: the region of equivalence as typed; None: see verdict.region.

    Columns: arm, n (completed runs), failed, diverged; for each measure and each of COSTS `<name>_mean`, `_sd`, `_median`
    over completed runs; then against the baseline: pairs; for test, validation and gap of each leading metric and of the
    verdict's own `<name>_diff_mean`, `_diff_sd`, `_diff_low`, `_diff_high`, `_diff_interval` (the method's name); and of
    `metric`, which names the verdict's measure: p, p_holm, improvement with _low and _high, mde, rope, verdict and
    seeds_needed (in all, where inconclusive). Fractions and nats, not percent. NaN where unknown and in the baseline's row.
    """
    import numpy as np
    import pandas as pd

    done = frame[frame["status"] == "completed"]
    counts = pd.crosstab(frame["label"], frame["status"])
    table = pd.DataFrame({"arm": list(labels)}, index=list(labels))
    for column, status in (("n", "completed"), ("failed", "failed"), ("diverged", "diverged")):
        found = counts.get(status, pd.Series(dtype=int))
        table[column] = found.reindex(table.index, fill_value=0).astype(int)
    metrics = measured(done)
    names = [*columns(done, metrics), *(c for c in COSTS if c in done)]
    grouped = done.groupby("label")[names]
    with np.errstate(invalid="ignore"):  # a loss of inf has a mean of inf and no sd: nothing to warn about
        parts = {"mean": grouped.mean(), "sd": grouped.std(ddof=1), "median": grouped.median()}
    numbers: dict[str, Any] = {
        f"{n}_{part}": values[n].reindex(table.index) for n in names for part, values in parts.items()
    }
    wanted = [m for m in metrics if m in LEADING or (measure and m == base(measure))]
    compared = [c for c in columns(done, wanted) if not c.startswith("train_") or c == measure]
    scores: dict[str | None, dict[str, Scores]] = {
        str(label): {c: dict(zip(some["seed"].tolist(), some[c].tolist(), strict=True)) for c in compared}
        for label, some in done[["label", "seed", *compared]].groupby("label")
    }
    differences = {name: _against(scores, name, labels, baseline) for name in compared}
    if compared:
        main = measure if measure in differences else compared[0]
        numbers["pairs"] = [d.pairs for d in differences[main]]
    for name, some in differences.items():
        for part in ("mean", "sd", "low", "high", "interval"):
            numbers[f"{name}_diff_{part}"] = [getattr(d, part) for d in some]
    if measure in differences and baseline is not None:
        numbers |= _judged(differences[measure], measure, region(rope, measure, done[done["label"] == baseline]))
    return pd.concat([table, pd.DataFrame(numbers, index=table.index)], axis=1).reset_index(drop=True)


def _against(
    scores: Mapping[str | None, Mapping[str, Scores]], name: str, labels: Sequence[str], baseline: str | None
) -> list[Difference]:
    sign = direction(name)
    return [
        differ(scores[label][name], scores[baseline][name], sign)
        if baseline in scores and label in scores and label != baseline
        else Difference()
        for label in labels
    ]


def _judged(differences: Sequence[Difference], measure: str, rope: float) -> dict[str, list[Any]]:
    """The columns of the measure that the verdict is about."""
    adjusted = holm([d.p for d in differences])
    tests = max(1, sum(not math.isnan(d.p) for d in differences))
    sign = direction(measure)
    words = [
        verdict(d.low, d.high, p, d.n, rope, sign) if d.n else "" for d, p in zip(differences, adjusted, strict=True)
    ]
    chances = [d.chance for d in differences]
    return {
        "metric": [measure] * len(words),
        "p": [d.p for d in differences],
        "p_holm": adjusted,
        "improvement": [c.value for c in chances],
        "improvement_low": [c.low for c in chances],
        "improvement_high": [c.high for c in chances],
        "mde": [detectable(d.error, d.df, rope, d.pairs or None) if d.df > 0 else math.nan for d in differences],
        "rope": [rope] * len(words),
        "verdict": words,
        "seeds_needed": [
            _needed(d, rope, tests) if word == "inconclusive" else math.nan
            for d, word in zip(differences, words, strict=True)
        ],
    }


def _needed(found: Difference, rope: float, tests: int) -> float:
    """Seeds in all; NaN where nothing can be said, infinite beyond what is worth naming."""
    if found.pairs < 2 or math.isnan(rope) or math.isnan(found.sd):
        return math.nan
    needed = seeds_to_settle(found.mean, found.sd, rope, tests)
    return math.inf if needed is None else max(needed, found.pairs + 1)


def _two_sided(mean: float, error: float, df: float) -> float:
    from scipy.special import stdtr

    if error == 0:
        return 1.0 if mean == 0 else 0.0
    return float(2 * stdtr(df, -abs(mean) / error))

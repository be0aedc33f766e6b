"""The table of a comparison as one wide frame for programs. Only this module names the columns."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from dropbench.report.records.measures import Measure
from dropbench.report.statistics.contrast import Contrast
from dropbench.report.statistics.difference import Difference
from dropbench.report.statistics.power import UNKNOWN
from dropbench.report.tables.summary import Summary

LEVEL = ("mean", "sd", "median")
DIFFERENCE = ("mean", "sd", "low", "high", "interval", "widened")


def wide(
    summaries: Sequence[Summary],
    sources: Mapping[str, Mapping[str, object]],
    contrasts: Mapping[Measure, Mapping[str, Contrast]],
    main: Measure | None,
    region: float | None,
    outcomes: Sequence[Measure] = (),
) -> pd.DataFrame:
    """Return a frame with one row per arm in full precision: fractions and nats, not percent.

    Differences that are unknown, and those in the baseline's row, are NaN. The columns are

    - arm, model, data, setting, arm_id, n (completed runs), failed, diverged;
    - for each measure and each cost `<name>_mean`, `_sd`, `_median` over completed runs;
    - pairs with the baseline, and for each compared measure `<name>_diff_mean`, `_diff_sd`, `_diff_low`, `_diff_high`,
      `_diff_interval` (the method's name) and `_diff_widened` (how many times wider than by seeds alone);
    - metric, the name of the verdict's measure, and for this measure p, p_adjusted, improvement with _low and _high, mde, rope,
      verdict and its two parts, direction and confirmed, and, if it is not confirmed, seeds_even and seeds_likely: the total
      number of seeds that settles it with a probability of 50 %, and of 80 %;
    - the agreement of attribution maps, if there is any.

    Parameters
    ----------
    summaries : sequence
        The summaries of the arms, in the table's order.
    sources : Mapping
        The model and data of each arm, by its label.
    contrasts : Mapping
        The contrasts by measure, then by the arm's label, in the order of the columns.
    main : Measure or None
        The measure of the pairs and of the verdict.
    region : float or None
        The verdict's region of equivalence; None without a verdict.
    outcomes : sequence
        Outcomes named in advance; those other than `main` also have the columns `<name>_verdict` and `<name>_p_adjusted`.
    """
    rows = []
    for summary in summaries:
        arm, label = summary.arm, summary.arm.label
        row: dict[str, Any] = {"arm": label, **sources[label], "setting": arm.setting, "arm_id": arm.arm_id}
        row |= {"n": summary.n, "failed": summary.failed, "diverged": summary.diverged}
        for name, level in (*summary.levels.items(), *summary.costs.items()):
            row |= {f"{name}_{part}": getattr(level, part) for part in LEVEL}
        differences = {m: of[label].difference if label in of else Difference() for m, of in contrasts.items()}
        if main is not None:
            row["pairs"] = differences[main].pairs
        for measure, difference in differences.items():
            row |= {f"{measure}_diff_{part}": getattr(difference, part) for part in DIFFERENCE}
        if region is not None and main is not None:
            row |= _judged(main, contrasts[main].get(label), region)
        for measure in (m for m in outcomes if m != main):
            told = contrasts[measure].get(label)
            row[f"{measure}_verdict"] = "" if told is None else told.verdict
            row[f"{measure}_p_adjusted"] = math.nan if told is None else told.difference.p_adjusted
        if summary.agreement is not None:
            row |= {f"attribution_stability_{part}": value for part, value in summary.agreement._asdict().items()}
        rows.append(row)
    return pd.DataFrame(rows)


def _judged(measure: Measure, contrast: Contrast | None, region: float) -> dict[str, Any]:
    d = Difference() if contrast is None else contrast.difference
    needed = UNKNOWN if contrast is None or contrast.confirmed else contrast.seeds_needed
    return {
        "metric": str(measure),
        "p": d.p,
        "p_adjusted": d.p_adjusted,
        "improvement": d.chance.value,
        "improvement_low": d.chance.low,
        "improvement_high": d.chance.high,
        "mde": math.nan if contrast is None else contrast.detectable,
        "rope": region,
        "verdict": "" if contrast is None else contrast.verdict,
        "direction": "" if contrast is None else contrast.direction,
        "confirmed": contrast is not None and contrast.confirmed,
        "seeds_even": needed.even,
        "seeds_likely": needed.likely,
    }

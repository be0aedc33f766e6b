"""Better, worse, equivalent or inconclusive: the interval held against a region of practical equivalence.

Kruschke (2018), Rejecting or accepting parameter values in Bayesian estimation, has the decision; here the interval is a
confidence interval, as in an equivalence test (Schuirmann 1987).
"""

from __future__ import annotations

import math
import re
from typing import TYPE_CHECKING

from dropbench.errors import UsageError
from dropbench.report.records.measures import base, direction, in_percent, size, spoken
from dropbench.report.statistics.interval import MIN_PAIRS
from dropbench.report.statistics.power import ALPHA

if TYPE_CHECKING:
    import pandas as pd

POINTS = 0.002
SHARE = 0.01
"""The default region: ±0.2 points for accuracies, ±1 % of the baseline's mean for everything else."""
_FORM = re.compile(r"(\d*\.?\d+(?:e-?\d+)?)(pp|%)?")
_FORMS = "write points as 0.2pp, a number in the metric's own unit as 0.01, or a share of the baseline's mean as 1%"


def region(rope: str | None, measure: str, baseline: pd.DataFrame) -> float:
    """Half the width of the region, in the measure's own unit (fractions for accuracies).

    rope: as typed. baseline: the completed runs of the baseline; a gap's share is one of the test score, for a gap may be
    nothing. NaN where a share is asked for and nothing was measured. Raises UsageError for what cannot be read.
    """
    if rope is None:
        rope = f"{100 * POINTS}pp" if in_percent(measure) else f"{100 * SHARE}%"
    found = _FORM.fullmatch(rope.replace(" ", ""))
    if not found:
        raise UsageError(f"--rope {rope}: {_FORMS}")
    value, form = float(found[1]), found[2]
    if form == "pp":
        if not in_percent(measure):
            raise UsageError(f"--rope {rope}: {spoken(measure)} is not in percent, so it has no points; {_FORMS}")
        return value / 100
    if form is None:
        return value
    if in_percent(measure):
        raise UsageError(f"--rope {rope}: of an accuracy that may mean two things; write points as {found[1]}pp")
    column = f"test_{base(measure)}" if measure.startswith("gap_") else measure
    return abs(float(baseline[column].mean())) * value / 100 if column in baseline else math.nan


def verdict(low: float, high: float, p_holm: float, n: int, rope: float, sign: int) -> str:
    """In a word.

    better or worse: the whole interval beyond the region, and Holm's p at most .05; higher or lower where which way is
    better is not known. equivalent: the whole interval within the region. inconclusive: anything else, and always with fewer
    than six seeds. n: of pairs, or of the smaller arm.
    """
    if n < MIN_PAIRS or not (math.isfinite(low) and math.isfinite(high) and math.isfinite(rope)):
        return "inconclusive"
    if -rope <= low and high <= rope:
        return "equivalent"
    if (low > rope or high < -rope) and p_holm <= ALPHA:
        way = 1 if low > rope else -1
        return {1: "better", -1: "worse"}[way * sign] if sign else {1: "higher", -1: "lower"}[way]
    return "inconclusive"


def definition(measure: str, rope: float, stated: bool) -> str:
    """The rule as a sentence for the foot of a table."""
    better, worse = ("better", "worse") if direction(measure) else ("higher", "lower")
    where = "" if stated else " (the default; --rope sets it)"
    return (
        f"Verdict on {spoken(measure)}, with ±{size(measure, rope)}{where} taken as no difference that matters: {better} or "
        f"{worse} = the whole interval beyond that and Holm p ≤ .05; equivalent = the whole interval within it; "
        "inconclusive = neither."
    )

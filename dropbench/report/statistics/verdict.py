"""Better, worse, about the same, or not to be told: the interval held against a region of practical equivalence.

Kruschke (2018), Rejecting or accepting parameter values in Bayesian estimation, has the decision; here the interval is a
confidence interval, as in an equivalence test (Schuirmann 1987).
"""

from __future__ import annotations

import math
import re

import pandas as pd

from dropbench.errors import UsageError
from dropbench.report.records.measures import Measure

SAME, UNTOLD = "about the same", "cannot tell"
_FORM = re.compile(r"(\d*\.?\d+(?:e-?\d+)?)(pp|%)?")
_FORMS = "write points as 0.2pp, a number in the metric's own unit as 0.01, or a share of the baseline's mean as 1%"


def region(rope: str | None, measure: Measure, baseline: pd.DataFrame) -> float:
    """Half the width of the region, in the measure's own unit (fractions for accuracies).

    Parameters
    ----------
    rope : str or None
        As typed; None is what the metric declares.
    measure : Measure
        A share of a gap is one of the test score, for a gap may be nothing.
    baseline : DataFrame
        The completed runs of the baseline.

    Returns
    -------
    float
        NaN where a share is asked for and nothing was measured; 0 where it is one of times that were never reached.

    Raises
    ------
    UsageError
        For what cannot be read, or does not fit the measure's unit.
    """
    if rope is None:
        rope = measure.declared.region
    typed = _FORM.fullmatch(rope.replace(" ", ""))
    if not typed or not math.isfinite(float(typed[1])):
        raise UsageError(f"--rope {rope}: {_FORMS}")
    value, form = float(typed[1]), typed[2]
    if form == "pp":
        if not measure.in_percent:
            raise UsageError(f"--rope {rope}: {measure.spoken} is not in percent, so it has no points; {_FORMS}")
        return value / 100
    if form is None:
        return value
    if measure.in_percent:
        raise UsageError(f"--rope {rope}: of an accuracy that may mean two things; write points as {typed[1]}pp")
    column = str(measure.on("test") if measure.part == "gap" else measure)
    if column not in baseline:
        return math.nan
    # A time to a score that was never reached is infinite, and no share of it is a size.
    scores = baseline[column].astype(float).dropna()
    finite = scores[scores.abs() < math.inf]
    return 0.0 if len(scores) and finite.empty else abs(float(finite.mean())) * value / 100


def direction(low: float, high: float, rope: float, sign: int) -> str:
    """Where an interval lies: better or worse where all of it is beyond the region, about the same where all is within.

    Parameters
    ----------
    low, high : float
        Its limits.
    rope : float
        Half the width of the region.
    sign : int
        1 where higher is better, -1 where lower is, 0 where that is not known: then it is higher or lower.

    Returns
    -------
    str
        Nothing where it lies neither beyond nor within.
    """
    if not all(map(math.isfinite, (low, high, rope))):
        return ""
    if -rope <= low and high <= rope:
        return SAME
    if low > rope or high < -rope:
        way = 1 if low > rope else -1
        return {1: "better", -1: "worse"}[way * sign] if sign else {1: "higher", -1: "lower"}[way]
    return ""


def definition(measure: Measure, rope: float, stated: bool, family: int) -> tuple[str, str]:
    """The rule as a sentence for the foot of a table, in full and in short.

    Parameters
    ----------
    measure : Measure
        What the verdict is about.
    rope : float
        Half the width of the region.
    stated : bool
        Whether it was typed.
    family : int
        How many arms the interval holds for at once.
    """
    better, worse = ("better", "worse") if measure.direction else ("higher", "lower")
    default = "" if stated else " (the default; --rope sets it)"
    holds = "" if family < 2 else f", which holds for all {family} arms at once"
    full = (
        f"Verdict on {measure.spoken}, with ±{measure.size(rope)}{default} taken as no difference that matters: {better} or "
        f"{worse} = the interval lies beyond that; {SAME} = within; {UNTOLD} = neither. A ? behind it: not confirmed, "
        f"which takes six seeds and the interval that is shown{holds}."
    )
    small = "" if stated else " (--rope)"
    brief = (
        f"{better.capitalize()}, {worse}: the interval lies beyond ±{measure.size(rope)}{small}; a ?: not confirmed."
    )
    return full, brief

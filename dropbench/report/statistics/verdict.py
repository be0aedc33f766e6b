"""The verdict `better`, `worse`, `about the same` or `cannot tell`: it compares an interval with a region of equivalence.

The rule is that of Kruschke (2018), Rejecting or accepting parameter values in Bayesian estimation. Here the interval is a
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
    """Return half the width of the region of equivalence, in the measure's own unit (fractions for accuracies).

    Parameters
    ----------
    rope : str or None
        The value of --rope as typed; None for the metric's default.
    measure : Measure
        The measure of the verdict. For a gap, 1% means one percent of the test score, since a gap may be zero.
    baseline : DataFrame
        The completed runs of the baseline.

    Returns
    -------
    float
        NaN if a share is asked for and nothing was measured; 0 if it is a share of a time that no run reached.

    Raises
    ------
    UsageError
        If the text cannot be read, or does not fit the measure's unit.
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
    if form is None and not (measure.in_percent and value >= 1):
        return value
    if form is None:
        raise UsageError(
            f"--rope {rope}: as a fraction this is {100 * value:g} points, and accuracies differ by less; write points as "
            f"{typed[1]}pp"
        )
    if measure.in_percent:
        raise UsageError(f"--rope {rope}: for an accuracy this may mean two things; write points as {typed[1]}pp")
    column = str(measure.on("test") if measure.part == "gap" else measure)
    if column not in baseline:
        return math.nan
    # The time to a score that was never reached is infinite, so a share of it is no usable size.
    scores = baseline[column].astype(float).dropna()
    finite = scores[scores.abs() < math.inf]
    return 0.0 if len(scores) and finite.empty else abs(float(finite.mean())) * value / 100


def direction(low: float, high: float, rope: float, sign: int) -> str:
    """Return better or worse if the whole interval lies beyond the region, and about the same if it lies within the region.

    Parameters
    ----------
    low, high : float
        The limits of the interval.
    rope : float
        Half the width of the region.
    sign : int
        1 if higher is better, -1 if lower is better, 0 if neither is known to be; then the answer is higher or lower.

    Returns
    -------
    str
        Empty if the interval lies neither beyond nor within the region.
    """
    if not all(map(math.isfinite, (low, high, rope))):
        return ""
    if -rope <= low and high <= rope:
        return SAME
    if low > rope or high < -rope:
        way = 1 if low > rope else -1
        return {1: "better", -1: "worse"}[way * sign] if sign else {1: "higher", -1: "lower"}[way]
    return ""


def definition(measure: Measure, rope: float, stated: bool, family: int, by_itself: bool) -> tuple[str, str]:
    """Return the rule of verdicts as a note under a table, in full and in short.

    Parameters
    ----------
    measure : Measure
        The measure that the verdict judges.
    rope : float
        Half the width of the region.
    stated : bool
        Whether the user typed --rope.
    family : int
        The number of arms for which the interval holds at once.
    by_itself : bool
        Whether one of the verdicts holds for its arm by itself and is not confirmed for all arms at once.
    """
    better, worse = ("better", "worse") if measure.direction else ("higher", "lower")
    default = "" if stated else " (the default; --rope sets it)"
    holds, own = "", ""
    if family > 1:
        holds = f", which holds for all {family} arms at once"
        own = "; one with a ? follows from the interval that its arm would have by itself"
    full = (
        f"Verdict on {measure.spoken}: a difference within ±{measure.size(rope)}{default} counts as too small to matter. "
        f"{better.capitalize()} or {worse} = the whole interval lies beyond that range; {SAME} = the whole interval lies "
        f"within it; {UNTOLD} = neither. A ? means not confirmed: a confirmed verdict needs six seeds and follows from the "
        f"interval that is shown{holds}{own}."
    )
    all_arms = "both arms" if family == 2 else f"all {family} arms"
    only = f": the interval of that arm by itself says so; the one shown, for {all_arms} at once, does not"
    small = "" if stated else " (--rope)"
    brief = (
        f"{better.capitalize()} or {worse}: the whole interval lies beyond ±{measure.size(rope)}{small}. "
        f"A ? means not confirmed{only if family > 1 and by_itself else ''}."
    )
    return full, brief

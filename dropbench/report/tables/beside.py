"""Differences on further test measures, which an answer about one measure would otherwise leave out.

Nobody asked about these measures, and looking at several finds more differences by chance. So each of them is judged at its
share of the error rate (Bonferroni); within a measure the intervals hold for all arms at once, as everywhere. Together they are
a second family beside the measure of the verdict: of 100 comparisons without any difference on these measures, at most 5
report one.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from dropbench.report.records.measures import Measure
from dropbench.report.statistics.contrast import Contrast
from dropbench.report.statistics.interval import MIN_PAIRS
from dropbench.report.statistics.verdict import SAME
from dropbench.report.tables.comparison import Comparison
from dropbench.report.tables.judgement_in_words import unit
from dropbench.values import count

_PROBABILITIES = "you use the predicted probabilities and not only the most likely class"
_CALIBRATED = "a predicted probability of 70 % has to be right in 70 of 100 cases"
_CLASSES = "rare classes count as much as common ones"
_RANKED = "you sort examples by the predicted probability"
MATTERS = {
    "loss": _PROBABILITIES,
    "brier": _PROBABILITIES,
    "ece": _CALIBRATED,
    "adaptive_ece": _CALIBRATED,
    "balanced_accuracy": _CLASSES,
    "macro_f1": _CLASSES,
    "auroc": _RANKED,
    "average_precision": _RANKED,
    "accuracy": "only the most likely class is used",
    "mae": "large errors are no worse than their size",
}
"""The metrics that an answer may point to, and when each of them matters."""
_NATS = "nats"


@dataclass(frozen=True)
class Beside:
    """A difference on another measure than the verdict's.

    Parameters
    ----------
    arm, measure : str
        The arm's label, and the column of the measure, such as `test_loss`.
    mean, low, high : float
        Arm minus baseline and the limits of its interval, in the measure's own unit.
    level : float
        The confidence of the interval, in (0, 1), for all arms and all further measures at once.
    says : str
        The difference and what it is good for, as a sentence without its full stop.
    """

    arm: str
    measure: str
    mean: float
    low: float
    high: float
    level: float
    says: str


def better_beside(c: Comparison) -> Beside | None:
    """Return the most certain improvement by any arm on a further measure; None if there is none."""
    return _first(c, list(c.others), sign=1)


def worse_beside(c: Comparison, arm: str) -> Beside | None:
    """Return the most certain loss by this arm on a further measure; None if there is none."""
    return _first(c, [arm], sign=-1)


def further(c: Comparison) -> list[Measure]:
    """Return the test measures in MATTERS that were measured, without the verdict's.

    The loss of a regression is left out, because it is the mean squared error, the square of the verdict's rmse.
    """
    return [
        m
        for m in c.measured
        if m.part == "test"
        and m != c.measure
        and m.metric in MATTERS
        and m.direction
        and (m.metric != "loss" or m.declared.unit == _NATS)
    ]


def _first(c: Comparison, arms: Sequence[str], *, sign: int) -> Beside | None:
    measures = further(c)
    if not measures:
        return None
    strict = c.at(c.alpha / len(measures))
    found = [
        (label, contrast)
        for measure in measures
        for label, contrast in strict.against(measure).items()
        if label in arms and _certain(contrast, sign)
    ]
    if not found:
        return None
    label, contrast = max(found, key=lambda one: abs(one[1].difference.mean) / (one[1].difference.error or 1e-300))
    return _told(c, label, contrast, len(measures))


def _certain(contrast: Contrast, sign: int) -> bool:
    """Return whether the interval lies on one side of zero, and not within the region of equivalence."""
    d = contrast.difference
    if d.diverged or d.finished < MIN_PAIRS or contrast.direction == SAME:
        return False
    way = sign * contrast.measure.direction
    return min(way * d.low, way * d.high) > 0


def _told(c: Comparison, label: str, contrast: Contrast, measures: int) -> Beside:
    d, m = contrast.difference, contrast.measure

    def size(value: float) -> str:
        return m.difference(abs(value)).lstrip("+")

    family = [count(len(c.others), "arm")] * (len(c.others) > 1)
    family += [f"{measures} further measures"] * (measures > 1)
    corrected = f", corrected for {' and '.join(family)}" if family else ""
    region = m.size(contrast.region) + unit(m) * (not m.in_percent)
    small = "" if contrast.confirmed else f", though perhaps by too little to matter (up to {region})"
    way = "better" if m.direction * d.mean > 0 else "worse"
    near, far = sorted((d.low, d.high), key=abs)
    says = (
        f"in another measure, {m.spoken}, {label} is {way} than {c.base} by {size(d.mean)}{unit(m)} "
        f"({contrast.sure} interval {size(near)} to {size(far)}{corrected}){small}, which matters if {MATTERS[m.metric]}"
    )
    return Beside(label, str(m), d.mean, d.low, d.high, 1 - contrast.alpha, says)

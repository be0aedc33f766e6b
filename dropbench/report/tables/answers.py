"""A contrast with its result, and the table of several."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import pandas as pd

from dropbench.report.statistics.contrast import Contrast
from dropbench.report.statistics.formula import Formula
from dropbench.report.statistics.power import UNKNOWN


@dataclass(frozen=True)
class Answer:
    """A question and its result.

    name: the question in short. formula: the question in the grammar of contrasts, with labels as its arms. contrast: the
    result. part_of: if an arm is compared with itself without one of its regularizers, that arm.
    """

    name: str
    formula: Formula
    contrast: Contrast
    part_of: str = ""


def tabled(answers: Iterable[Answer]) -> pd.DataFrame:
    """Return a frame with one row per answer, with numbers in the measure's own unit."""
    return pd.DataFrame([_row(answer) for answer in answers])


def _row(answer: Answer) -> dict[str, object]:
    c = answer.contrast
    d, needed = c.difference, UNKNOWN if c.confirmed else c.seeds_needed
    return {
        "contrast": answer.name,
        "expression": str(answer.formula),
        "unit": answer.formula.unit,
        "pairs": d.pairs,
        "mean": d.mean,
        "sd": d.sd,
        "low": d.low,
        "high": d.high,
        "interval": d.interval,
        "p": d.p,
        "p_adjusted": d.p_adjusted,
        "mde": c.detectable,
        "rope": c.region,
        "verdict": c.verdict,
        "direction": c.direction,
        "confirmed": c.confirmed,
        "seeds_even": needed.even,
        "seeds_likely": needed.likely,
    }

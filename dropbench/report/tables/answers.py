"""A question in the grammar of contrasts with what came of it, and the table of several."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import pandas as pd

from dropbench.report.statistics.contrast import Contrast
from dropbench.report.statistics.formula import Formula
from dropbench.report.statistics.power import UNKNOWN


@dataclass(frozen=True)
class Answer:
    """name: what was asked, in short. formula: the same in the grammar, with labels. contrast: what came of it.

    part_of: the arm that is compared with itself less one of its regularizers, if that was asked.
    """

    name: str
    formula: Formula
    contrast: Contrast
    part_of: str = ""


def tabled(answers: Iterable[Answer]) -> pd.DataFrame:
    """A row an answer, numbers in the measure's own unit."""
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

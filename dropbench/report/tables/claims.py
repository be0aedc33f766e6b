"""What became of the statements that studies put to the test: a row a statement, and the correction over all of them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

import pandas as pd

from dropbench.report.records.measures import Measure
from dropbench.report.statistics.contrast import Contrast
from dropbench.report.statistics.difference import Difference
from dropbench.report.statistics.distributions import t_cdf
from dropbench.report.statistics.formula import Formula
from dropbench.report.statistics.interval import ALPHA, MIN_PAIRS
from dropbench.report.statistics.verdict import SAME
from dropbench.store import Case, StoredCheck, StoredClaim

Verdict = Literal[
    "supported", "contradicted", "negligible", "undecided", "holds exactly", "holds only for", "does not hold"
]
UNDECIDED = "undecided"
ABOVE, BELOW, WITHIN = "above", "below", "within"


@dataclass(frozen=True)
class Level:
    """A measure of an arm over its seeds: mean and standard deviation (ddof 1) in the measure's own unit, of so many."""

    arm: str
    measure: Measure
    mean: float
    sd: float
    seeds: int


@dataclass(frozen=True)
class Claimed:
    """A statement about arms, and what their contrast says of it.

    Parameters
    ----------
    study, name : str
        Where it is stated, and what it is called there.
    claim : StoredClaim
        It itself.
    formula : Formula or None
        Its contrast; None where that has no answer, of which `why` says the reason.
    contrast : Contrast or None
        Judged by itself.
    margin, power : float
        A size of the effect, and how likely that is to be told, by the pilot's spread; NaN without a pilot.
    pilot : int
        Seeds of the pilot.
    setting : str
        Model, data and epochs, as far as its arms share them.
    levels : tuple of Level
        What the contrast is made of.
    runs : tuple of str
        The ids of the runs that it rests on.
    seconds : float
        That training them took.
    p_adjusted : float
        Of the decision, by Holm over all statements of the report.
    why : str
        Why it has no answer.
    """

    study: str
    name: str
    claim: StoredClaim
    formula: Formula | None = None
    contrast: Contrast | None = None
    margin: float = math.nan
    power: float = math.nan
    pilot: int = 0
    setting: str = ""
    levels: tuple[Level, ...] = ()
    runs: tuple[str, ...] = ()
    seconds: float = math.nan
    p_adjusted: float = math.nan
    why: str = ""

    @property
    def number(self) -> int | None:
        """In the list of claims."""
        return self.claim.number

    @property
    def says(self) -> str:
        """The statement."""
        return self.claim.says

    @property
    def verdict(self) -> Verdict:
        """What the interval says of it: see `decided`."""
        return "undecided" if self.contrast is None else decided(self.contrast, self.claim.expect)

    @property
    def p(self) -> float:
        """Of what was decided."""
        return math.nan if self.contrast is None else p_of(self.contrast, self.claim.expect)

    @property
    def stands(self) -> bool:
        """Whether the verdict is the same at 5 % over all statements of the report."""
        return self.verdict != UNDECIDED and self.p_adjusted <= ALPHA


@dataclass(frozen=True)
class Checked:
    """A statement that is mathematics, as it was computed."""

    study: str
    name: str
    check: StoredCheck

    @property
    def number(self) -> int | None:
        """In the list of claims."""
        return self.check.number

    @property
    def says(self) -> str:
        """The statement."""
        return self.check.says

    @property
    def cases(self) -> Sequence[Case]:
        """In which it was computed."""
        return self.check.cases

    @property
    def verdict(self) -> Verdict:
        """Whether both sides are equal in every case, in some, or in none."""
        equal = [case.equal for case in self.cases]
        return "holds exactly" if all(equal) else "holds only for" if any(equal) else "does not hold"

    @property
    def only(self) -> str:
        """The cases in which it holds, where that is not all of them."""
        return "; ".join(case.case for case in self.cases if case.equal) if self.verdict == "holds only for" else ""


Statement = Claimed | Checked


def decided(contrast: Contrast, expect: str) -> Verdict:
    """What an interval says of an expectation.

    | interval | expect above (below: the mirror image) | expect within |
    | --- | --- | --- |
    | beyond the region, on the expected side | supported | contradicted |
    | within the region | negligible | supported |
    | does not reach beyond the region on the expected side | contradicted | - |
    | else, or of fewer than six seeds | undecided | undecided |

    The interval is the one of this statement alone, of 95 %.
    """
    if contrast.difference.n < MIN_PAIRS:
        return "undecided"
    where, (low, high), size = _where(contrast), contrast.difference.alone, contrast.region
    if expect == WITHIN:
        return "supported" if where == WITHIN else "contradicted" if where else "undecided"
    if where == WITHIN:
        return "negligible"
    if where:
        return "supported" if where == expect else "contradicted"
    known = not contrast.difference.diverged and all(map(math.isfinite, (low, high)))
    short = (high <= size) if expect == ABOVE else (low >= -size)
    return "contradicted" if known and short else "undecided"


def _where(contrast: Contrast) -> str:
    """On which side of the region the value surely lies, or within it; nothing where neither is sure."""
    told, sign = contrast.direction, contrast.measure.direction
    if told == SAME:
        return WITHIN
    sides = {
        "higher": ABOVE,
        "lower": BELOW,
        "better": ABOVE if sign > 0 else BELOW,
        "worse": BELOW if sign > 0 else ABOVE,
    }
    return sides.get(told, "")


def p_of(contrast: Contrast, expect: str) -> float:
    """Two-sided p of what was decided, by Student's t against the end of the region that decides; NaN where nothing was."""
    d, size, verdict = contrast.difference, contrast.region, decided(contrast, expect)
    if verdict == UNDECIDED or d.diverged or math.isnan(d.error):
        return math.nan
    if d.error == 0:
        return 0.0

    def beyond(bound: float) -> float:
        return 2 * t_cdf(-abs(d.mean - bound) / d.error, d.df)

    if _where(contrast) == WITHIN:
        return max(beyond(size), beyond(-size))
    if _where(contrast):
        return beyond(size if d.mean > 0 else -size)
    return beyond(size if expect == ABOVE else -size)


def corrected(statements: Sequence[Statement]) -> list[Statement]:
    """The same with p adjusted over all that were decided by seeds."""
    ps = {i: s.p for i, s in enumerate(statements) if isinstance(s, Claimed) and not math.isnan(s.p)}
    adjusted = dict(zip(ps, holm(list(ps.values())), strict=True))
    return [
        replace(s, p_adjusted=adjusted[i]) if isinstance(s, Claimed) and i in adjusted else s
        for i, s in enumerate(statements)
    ]


def holm(ps: Sequence[float]) -> list[float]:
    """Each p adjusted for all of them (Holm 1979, Scandinavian Journal of Statistics 6:65), in their order."""
    found, least = [1.0] * len(ps), 0.0
    for rank, i in enumerate(sorted(range(len(ps)), key=ps.__getitem__)):
        least = max(least, min(1.0, (len(ps) - rank) * ps[i]))
        found[i] = least
    return found


def in_order(statements: Sequence[Statement]) -> list[Statement]:
    """By their numbers, those without one last."""
    return sorted(statements, key=lambda s: (s.number is None, s.number or 0, s.study, s.name))


def tabled(statements: Sequence[Statement]) -> pd.DataFrame:
    """A row a statement, numbers in the measure's own unit."""
    return pd.DataFrame([_row(s) for s in statements])


def _row(s: Statement) -> dict[str, object]:
    row: dict[str, object] = {"claim": s.number, "study": s.study, "name": s.name, "says": s.says, "verdict": s.verdict}
    if isinstance(s, Checked):
        return {**row, "only": s.only, "cases": len(s.cases), "seconds": s.check.seconds, "note": s.check.note}
    c, d = s.contrast, Difference() if s.contrast is None else s.contrast.difference
    return {
        **row,
        "expression": str(s.formula or s.claim.contrast),
        "expect": s.claim.expect,
        "unit": "" if s.formula is None else s.formula.unit,
        "mean": d.mean,
        "low": d.alone[0],
        "high": d.alone[1],
        "rope": math.nan if c is None else c.region,
        "seeds": d.pairs,
        "p": s.p,
        "p_holm": s.p_adjusted,
        "margin": s.margin,
        "power": s.power,
        "pilot_seeds": s.pilot,
        "setting": s.setting,
        "seconds": s.seconds,
        "run": s.runs[0] if s.runs else None,
        "note": s.claim.note or s.why or None,
    }

"""The verdicts on the statements that studies test, one row per statement, with a correction over all statements."""

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
    """A measure of an arm over its seeds: mean and sd (ddof 1) in the measure's own unit, and the number of seeds."""

    arm: str
    measure: Measure
    mean: float
    sd: float
    seeds: int


@dataclass(frozen=True)
class Claimed:
    """A statement about arms, and the result of the contrast that decides it.

    Parameters
    ----------
    study, name : str
        The study that states it, and its name there.
    claim : StoredClaim
        The claim as stored.
    formula : Formula or None
        Its contrast; None if it has no result, for the reason in `why`.
    contrast : Contrast or None
        The result, tested by itself.
    margin, power : float
        The size of an effect, and the power to detect it given the pilot's spread; NaN without a pilot.
    pilot : int
        The number of seeds of the pilot.
    setting : str
        Model, data and epochs, as far as its arms share them.
    levels : tuple of Level
        The measures that the contrast is computed from.
    runs : tuple of str
        The ids of the runs that it is computed from.
    seconds : float
        The training time of these runs.
    p_adjusted : float
        p of the decision, adjusted by Holm's method over all statements of the report.
    why : str
        The reason why it has no result.
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
        """The number in the list of claims."""
        return self.claim.number

    @property
    def says(self) -> str:
        """The statement."""
        return self.claim.says

    @property
    def verdict(self) -> Verdict:
        """The verdict from the interval: see `decided`."""
        return "undecided" if self.contrast is None else decided(self.contrast, self.claim.expect)

    @property
    def p(self) -> float:
        """The p value of the decision: see `p_of`."""
        return math.nan if self.contrast is None else p_of(self.contrast, self.claim.expect)

    @property
    def stands(self) -> bool:
        """Whether the verdict still holds at 5 % after the correction over all statements of the report."""
        return self.verdict != UNDECIDED and self.p_adjusted <= ALPHA


@dataclass(frozen=True)
class Checked:
    """A mathematical statement, which was checked by computation."""

    study: str
    name: str
    check: StoredCheck

    @property
    def number(self) -> int | None:
        """The number in the list of claims."""
        return self.check.number

    @property
    def says(self) -> str:
        """The statement."""
        return self.check.says

    @property
    def cases(self) -> Sequence[Case]:
        """The cases for which it was computed."""
        return self.check.cases

    @property
    def verdict(self) -> Verdict:
        """The verdict: whether both sides are equal in every case, in some, or in none."""
        equal = [case.equal for case in self.cases]
        return "holds exactly" if all(equal) else "holds only for" if any(equal) else "does not hold"

    @property
    def only(self) -> str:
        """The cases in which it holds, if it holds in some but not in all."""
        return "; ".join(case.case for case in self.cases if case.equal) if self.verdict == "holds only for" else ""


Statement = Claimed | Checked


def decided(contrast: Contrast, expect: str) -> Verdict:
    """Return the verdict on an expectation, from the interval of this statement alone (95 %).

    | interval | expect above (below: the mirror image) | expect within |
    | --- | --- | --- |
    | beyond the region, on the expected side | supported | contradicted |
    | within the region | negligible | supported |
    | does not reach beyond the region on the expected side | contradicted | - |
    | else, or with fewer than six seeds | undecided | undecided |
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
    """Return whether the interval lies above, below or within the region; empty if it does not."""
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
    """Return the two-sided p of the decision, by Student's t against the deciding end of the region; NaN if undecided."""
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
    """Return the statements with p adjusted over all that have a p."""
    ps = {i: s.p for i, s in enumerate(statements) if isinstance(s, Claimed) and not math.isnan(s.p)}
    adjusted = dict(zip(ps, holm(list(ps.values())), strict=True))
    return [
        replace(s, p_adjusted=adjusted[i]) if isinstance(s, Claimed) and i in adjusted else s
        for i, s in enumerate(statements)
    ]


def holm(ps: Sequence[float]) -> list[float]:
    """Return the adjusted p values (Holm 1979, Scandinavian Journal of Statistics 6:65), in the given order."""
    found, least = [1.0] * len(ps), 0.0
    for rank, i in enumerate(sorted(range(len(ps)), key=ps.__getitem__)):
        least = max(least, min(1.0, (len(ps) - rank) * ps[i]))
        found[i] = least
    return found


def in_order(statements: Sequence[Statement]) -> list[Statement]:
    """Return the statements sorted by number, those without a number last."""
    return sorted(statements, key=lambda s: (s.number is None, s.number or 0, s.study, s.name))


def tabled(statements: Sequence[Statement]) -> pd.DataFrame:
    """Return a frame with one row per statement, with numbers in the measure's own unit."""
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

"""The contents of the page of claims: each statement in a line with its verdict and a picture, and its evidence."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from dropbench.report.output.claims import how_to_read, note
from dropbench.report.tables.claims import UNDECIDED, Checked, Claimed, Statement
from dropbench.report.tables.columns import between, p_value, share
from dropbench.values import count, plain

WIDE, MARGIN = 160.0, 6.0
"""The width of the picture of an interval, and the margin at either side, in pixels."""
_KIND = {"holds exactly": "supported", "holds only for": "negligible", "does not hold": "contradicted"}
"""By the verdict of a check, the verdict of a claim whose colour it takes."""


@dataclass(frozen=True)
class Picture:
    """An interval beside the region of no difference, in pixels from the left."""

    low: float
    high: float
    mean: float
    region: tuple[float, float]
    zero: float
    says: str


@dataclass(frozen=True)
class Shown:
    """A statement on the page.

    facts: (name, value). rows: arms and measures, or cases. command: trains its runs again.
    """

    number: str
    says: str
    verdict: str
    kind: str
    doubtful: bool
    picture: Picture | None
    facts: list[tuple[str, str]]
    heads: tuple[str, ...]
    rows: list[tuple[str, ...]]
    note: str
    command: str


def about(statements: Sequence[Statement]) -> dict[str, Any]:
    """Return the variables of the template."""
    tally = Counter(s.verdict for s in statements)
    return {
        "total": count(len(statements), "claim"),
        "tally": [(str(verdict), n, _KIND.get(verdict, verdict)) for verdict, n in tally.most_common()],
        "claims": [_shown(s) for s in statements],
        "notes": how_to_read(statements),
    }


def _shown(s: Statement) -> Shown:
    made = _of_arms(s) if isinstance(s, Claimed) else _of_cases(s)
    return Shown(
        number=str(s.number or ""),
        says=plain(s.says),
        verdict=s.verdict,
        kind=_KIND.get(s.verdict, s.verdict),
        doubtful=isinstance(s, Claimed) and s.verdict != UNDECIDED and not s.stands,
        note=plain(note(s)),
        command=plain(f"dropbench sweep study={s.study}"),
        **made,
    )


def _of_cases(s: Checked) -> dict[str, Any]:
    rows = [(plain(c.case), f"{c.measured:.6g}", f"{c.formula:.6g}", "yes" if c.equal else "no") for c in s.cases]
    return {"picture": None, "facts": [], "heads": ("case", "computed", "as stated", "equal"), "rows": rows}


def _of_arms(s: Claimed) -> dict[str, Any]:
    facts = [("asked", plain(str(s.formula or s.claim.contrast))), ("expected", _expected(s))]
    rows = [
        (plain(x.arm), plain(x.measure.spoken), f"{x.measure.level(x.mean)} {x.measure.unit}".rstrip(), str(x.seeds))
        for x in s.levels
    ]
    heads = ("arm", "measure", "mean", "seeds")
    if s.contrast is None or math.isnan(s.contrast.difference.mean):
        return {"picture": None, "facts": facts, "heads": heads, "rows": rows}
    d, write = s.contrast.difference, s.contrast.measure.difference
    facts += [
        ("found", f"{write(d.mean)} {s.contrast.measure.points}".rstrip()),
        ("95 % interval", between(write, *d.alone)),
        ("seeds", str(d.pairs)),
    ]
    if not math.isnan(s.p_adjusted):
        facts.append(("p, adjusted for all claims", p_value(s.p_adjusted)))
    if not math.isnan(s.power):
        size = "no difference" if s.margin == 0 else s.contrast.measure.size(s.margin)
        facts.append(("power, estimated by a pilot", f"{share(s.power)} at {size}"))
    facts += [("setting", s.setting), ("training", f"{s.seconds:,.0f} s"), ("first run", s.runs[0] if s.runs else "")]
    return {"picture": _picture(s), "facts": facts, "heads": heads, "rows": rows}


def _expected(s: Claimed) -> str:
    c = s.contrast
    if c is None:
        return s.claim.expect
    size, expect = c.measure.size(c.region), s.claim.expect
    if expect == "within":
        return f"within \N{PLUS-MINUS SIGN}{size}"
    return f"{expect} {'-' if expect == 'below' and c.region else ''}{size}"


def _picture(s: Claimed) -> Picture | None:
    """Return the picture of a claim's interval; None if there is no interval."""
    c = s.contrast
    if c is None:
        return None
    (low, high), mean, size = c.difference.alone, c.difference.mean, c.region
    if not all(map(math.isfinite, (low, high, size))):
        return None
    least, most = min(low, -size, 0.0), max(high, size, 0.0)
    span = (most - least) or 1.0

    def at(value: float) -> float:
        return round(MARGIN + (value - least) / span * (WIDE - 2 * MARGIN), 1)

    says = f"{c.measure.difference(mean)}, 95 % interval {between(c.measure.difference, low, high)}"
    return Picture(at(low), at(high), at(mean), (at(-size), at(size)), at(0.0), says)

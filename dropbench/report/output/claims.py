"""Prints the claims of studies as a table with their verdicts, and what each verdict is based on."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Sequence

from dropbench.report.statistics.interval import confidence
from dropbench.report.tables.claims import UNDECIDED, Checked, Claimed, Statement
from dropbench.report.tables.columns import (
    ABSENT,
    Column,
    Sheet,
    between,
    or_absent,
    p_value,
    share,
    sheet,
)
from dropbench.values import count

TITLE = "Claims"


def of_claims(statements: Sequence[Statement], width: int | None) -> Sheet:
    """Return a table with one row per statement, kept to a width of `width` characters."""

    def each(heading: tuple[str, ...], cell: Callable[[Claimed], str], rank: int) -> Column:
        return Column(heading, tuple(cell(s) if isinstance(s, Claimed) else ABSENT for s in statements), rank)

    columns = [
        Column(("claim",), tuple(str(s.number or ABSENT) for s in statements)),
        Column(("says",), tuple(s.says for s in statements), right=False),
        Column(("verdict",), tuple(map(_verdict, statements)), right=False),
        each(("estimate",), _estimate, 1),
        each((f"{confidence(0.05)} interval",), _interval, 1),
        each(("unit",), _unit, 4),
        each(("seeds",), lambda s: ABSENT if s.contrast is None else str(s.contrast.difference.pairs), 3),
        each(("p", "Holm"), lambda s: or_absent(p_value, s.p_adjusted), 2),
        each(("power", "at"), lambda s: ABSENT if math.isnan(s.power) else f"{share(s.power)} {_margin(s)}", 5),
        each(("setting",), lambda s: s.setting or ABSENT, 6),
        each(("seconds",), lambda s: or_absent(lambda v: f"{v:,.0f}", s.seconds), 7),
        Column(("study",), tuple(s.study for s in statements), 8, right=False),
    ]
    return sheet("", columns, width)


def _verdict(s: Statement) -> str:
    """Return a verdict, with `*` if it does not hold after correction for all claims; for a check, the cases that hold too."""
    if isinstance(s, Checked):
        return f"{s.verdict}: {s.only}" if s.only else s.verdict
    return s.verdict if s.verdict == UNDECIDED or s.stands else f"{s.verdict}*"


def _estimate(s: Claimed) -> str:
    return ABSENT if s.contrast is None else or_absent(s.contrast.measure.difference, s.contrast.difference.mean)


def _interval(s: Claimed) -> str:
    return ABSENT if s.contrast is None else between(s.contrast.measure.difference, *s.contrast.difference.alone)


def _unit(s: Claimed) -> str:
    if s.contrast is None or s.formula is None:  # the unit of a program's number is unknown
        return ABSENT
    return s.contrast.measure.points or s.formula.unit or "ratio"


def _margin(s: Claimed) -> str:
    return ABSENT if s.contrast is None else "same" if s.margin == 0 else s.contrast.measure.size(s.margin)


def notes(statements: Sequence[Statement]) -> list[str]:
    """Return how many statements have each verdict, what the verdicts mean, and the notes on single statements."""
    tally = Counter(s.verdict for s in statements)
    counted = f"{count(len(statements), 'claim')}: {', '.join(f'{n} {verdict}' for verdict, n in tally.most_common())}."
    own = [f"{s.number or s.name}: {text}" for s in statements if (text := note(s))]
    return [counted, *how_to_read(statements), *own]


def note(s: Statement) -> str:
    """Return the note on one statement."""
    return s.check.note or "" if isinstance(s, Checked) else " ".join(filter(None, (s.claim.note, s.why)))


def how_to_read(statements: Sequence[Statement]) -> list[str]:
    """Explain the verdicts, the asterisk and the power in the table."""
    told = [
        "Supported: the interval lies beyond the region of no difference, on the side that the claim says (or within it, "
        "where it says that there is no difference). Contradicted: it lies beyond the region on the other side, "
        "or certainly does not reach beyond it on this side. Negligible: it lies within the region. Undecided: none of these, "
        "or fewer than six seeds. Each claim is judged by itself.",
    ]
    if any(isinstance(s, Claimed) and s.verdict != UNDECIDED and not s.stands for s in statements):
        told.append("*: not confirmed at 5 % over all claims of this table at once (Holm).")
    if any(isinstance(s, Claimed) and not math.isnan(s.power) for s in statements):
        told.append(
            "Power: the probability that this many seeds confirm an effect of the size beside it, estimated from pilot seeds."
        )
    return told

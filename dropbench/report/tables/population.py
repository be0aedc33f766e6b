"""What a comparison's answers are about: the examples that were tested, or examples like them. See docs/statistics.md."""

from __future__ import annotations

from collections.abc import Mapping

from dropbench.report.records.said import Untold
from dropbench.report.statistics.contrast import Contrast
from dropbench.report.statistics.widening import Widening
from dropbench.report.tables.comparison import Comparison

EXAMPLES, POOL = "examples", "pool"
ABOUT = (EXAMPLES, POOL)
"""The values of --about; the first is the default."""


def about(c: Comparison) -> dict[str, str]:
    """By an arm's label which of the two its interval, p and verdict are about; empty without a verdict."""
    return {
        label: POOL if v.difference.diverged or isinstance(c.of_examples(v.expression), Untold) else EXAMPLES
        for label, v in c.verdicts.items()
    }


def notes(c: Comparison) -> list[str]:
    """One line on which of the two the verdicts are about, why where it is not what was asked, and one on fresh seeds."""
    if not c.verdicts or c.measure is None:
        return []
    told = lines(c, c.verdicts, f"Intervals, p and verdicts on {c.measure.spoken}")
    known = [c.of_examples(v.expression) for v in c.verdicts.values()]
    one = [k for k in known if isinstance(k, Widening) and k.one_split]
    if len(one) == len(known):
        fresh = ", and so will those of --confirm" if c.choices else ""
        told.append(
            f"All seeds test the same {one[0].examples:,} examples{fresh}: more seeds make the difference on these surer, and "
            "tell nothing more of others."
        )
    return told


def lines(c: Comparison, contrasts: Mapping[str, Contrast], answers: str) -> list[str]:
    """What some contrasts by name are about, and why where that is not what was asked. answers: how they are called."""
    if c.said is None:
        return [
            f"{answers} are about the pool of examples that these seeds drew from, as --about pool asks; of others like them "
            "they would be less sure."
        ]
    known: dict[str, Widening] = {}
    unknown: dict[str, list[str]] = {}
    for name, contrast in contrasts.items():
        found = c.of_examples(contrast.expression)
        if isinstance(found, Untold):
            unknown.setdefault(str(found), []).append(name)
        else:
            known[name] = found
    told = [
        f"{answers} are about the examples tested, not others like them, for {', '.join(n)}: {w}."
        for w, n in unknown.items()
    ]
    if ranked := [name for name in known if contrasts[name].difference.diverged]:
        told.append(f"But p and verdict of {', '.join(ranked)} go by ranks, which are about the examples tested alone.")
    if not known:
        return told
    factors = sorted(c.widened(contrasts[name].expression) for name in known)
    ends = dict.fromkeys(f"{f:.2f}" for f in (factors[0], factors[-1]))
    tested = max(k.examples for k in known.values())
    first = (
        f"{answers} are about examples like the {tested:,} tested, not these alone, which makes intervals "
        f"{' to '.join(ends)} times as wide; with --about pool they are about these."
    )
    return [first, *told]

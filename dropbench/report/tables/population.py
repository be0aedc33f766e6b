"""What a comparison's answers are about: the examples that were tested, or examples like them. See docs/statistics.md."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

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
    """What the verdicts of its table are about; see `told`."""
    return [] if c.measure is None else told(c, c.verdicts, f"Intervals, p and verdicts on {c.measure.spoken}")


def told(c: Comparison, verdicts: Mapping[str, Contrast], answers: str) -> list[str]:
    """One line on which of the two it is, why where it is not what was asked, and one where all seeds have one test split.

    verdicts: by what they are called. answers: what to call all of them.
    """
    if not verdicts:
        return []
    if c.said is None:
        return [
            f"{answers} are about the pool of examples that these seeds drew from, as --about pool asks; of others like them "
            "they would be less sure."
        ]
    known: dict[str, Widening] = {}
    unknown: dict[str, list[str]] = {}
    for label, v in verdicts.items():
        found = c.of_examples(v.expression)
        if isinstance(found, Untold):
            unknown.setdefault(str(found), []).append(label)
        else:
            known[label] = found
    factors = [c.widened(verdicts[label].expression) for label in known]
    ranked = [label for label in known if verdicts[label].difference.diverged]
    return [*_beyond(known, factors, answers), *_these(unknown, answers), *_ranked(ranked), *_one_split(c, known)]


def _beyond(known: Mapping[str, Widening], factors: Sequence[float], answers: str) -> list[str]:
    if not known:
        return []
    ends = dict.fromkeys(f"{f:.2f}" for f in (min(factors), max(factors)))
    tested = max(k.examples for k in known.values())
    return [
        f"{answers} are about examples like the {tested:,} tested, not these alone, which makes intervals "
        f"{' to '.join(ends)} times as wide; with --about pool they are about these."
    ]


def _these(unknown: Mapping[str, list[str]], answers: str) -> list[str]:
    return [
        f"{answers} are about the examples tested, not others like them, for {', '.join(labels)}: {why}."
        for why, labels in unknown.items()
    ]


def _ranked(ranked: Sequence[str]) -> list[str]:
    if not ranked:
        return []
    return [f"But p and verdict of {', '.join(ranked)} go by ranks, which are about the examples tested alone."]


def _one_split(c: Comparison, known: Mapping[str, Widening]) -> list[str]:
    if not known or not all(k.one_split for k in known.values()):
        return []
    tested = next(iter(known.values())).examples
    fresh = ", and so will those of --confirm" if c.choices else ""
    return [
        f"All seeds test the same {tested:,} examples{fresh}: more seeds make the difference on these surer, and tell nothing "
        "more of others."
    ]

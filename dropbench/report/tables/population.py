"""What a comparison's answers are about: the examples that were tested, or examples like them. See docs/statistics.md."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from dropbench.report.records.said import Untold
from dropbench.report.statistics.contrast import Contrast
from dropbench.report.statistics.widening import Widening
from dropbench.report.tables.comparison import Comparison
from dropbench.report.tables.notes.note import Note, as_they_are
from dropbench.report.tables.notes.runs import few

EXAMPLES, POOL = "examples", "pool"
ABOUT = (EXAMPLES, POOL)
"""The values of --about; the first is the default."""


def about(c: Comparison) -> dict[str, str]:
    """By an arm's label which of the two its interval, p and verdict are about; empty without a verdict."""
    return {
        label: POOL if v.difference.diverged or isinstance(c.of_examples(v.expression), Untold) else EXAMPLES
        for label, v in c.verdicts.items()
    }


def notes(c: Comparison) -> list[Note]:
    """What the verdicts of its table are about; see `_told`."""
    return [] if c.measure is None else _told(c, c.verdicts, f"Intervals, p and verdicts on {c.measure.spoken}")


def told(c: Comparison, verdicts: Mapping[str, Contrast], answers: str) -> list[str]:
    """The same in full, of any answers. verdicts: by what they are called. answers: what to call all of them."""
    return [note.full for note in _told(c, verdicts, answers)]


def _told(c: Comparison, verdicts: Mapping[str, Contrast], answers: str) -> list[Note]:
    """One line on which of the two it is, why where it is not what was asked, and one where all seeds have one test split."""
    if not verdicts:
        return []
    if c.said is None:
        pool = f"{answers} are about the pool of examples that these seeds drew from, as --about pool asks"
        return [
            Note(
                f"{pool}; of others like them they would be less sure.",
                "Intervals and p are about these examples alone, as --about pool asks.",
            )
        ]
    known: dict[str, Widening] = {}
    unknown: dict[str, list[str]] = {}
    for label, v in verdicts.items():
        found = c.of_examples(v.expression)
        if not v.difference.finished and v.difference.diverged:
            continue  # it has no interval, and its verdict is by rank
        if isinstance(found, Untold):
            unknown.setdefault(str(found), []).append(label)
        else:
            known[label] = found
    factors = [c.widened(verdicts[label].expression) for label in known]
    ranked = [label for label in known if verdicts[label].difference.diverged]
    return [
        *_beyond(known, factors, answers),
        *_these(unknown, answers, len(verdicts)),
        *_ranked(ranked),
        *_one_split(c, known),
    ]


def _beyond(known: Mapping[str, Widening], factors: Sequence[float], answers: str) -> list[Note]:
    if not known:
        return []
    ends = dict.fromkeys(f"{f:.2f}" for f in (min(factors), max(factors)))
    wider = (
        "which widens no interval"
        if [*ends] == ["1.00"]
        else f"which makes intervals {' to '.join(ends)} times as wide"
    )
    tested = max(k.examples for k in known.values())
    said = f"{answers} are about examples like the {tested:,} tested, not these alone"
    return [
        Note(
            f"{said}, {wider}; with --about pool they are about these.",
            f"Intervals and p are about examples like the {tested:,} tested (--about pool: these).",
        )
    ]


def _these(unknown: Mapping[str, list[str]], answers: str, of: int) -> list[Note]:
    return [
        Note(
            f"{answers} are about the examples tested, not others like them, for {', '.join(labels)}: {why}.",
            "Intervals and p are about these test examples, not others like them"
            f"{'' if len(labels) == of else f', for {few(labels)}'}: {why}.",
        )
        for why, labels in unknown.items()
    ]


def _ranked(ranked: Sequence[str]) -> list[Note]:
    if not ranked:
        return []
    return [
        Note(f"But p and verdict of {', '.join(ranked)} go by ranks, which are about the examples tested alone.", "")
    ]


def _one_split(c: Comparison, known: Mapping[str, Widening]) -> list[Note]:
    if not known or not all(k.one_split for k in known.values()):
        return []
    tested = next(iter(known.values())).examples
    fresh = ", and so will those of --confirm" if c.choices else ""
    return as_they_are(
        [
            f"All seeds test the same {tested:,} examples{fresh}: more seeds make the difference on these surer, and tell "
            "nothing more of others."
        ]
    )

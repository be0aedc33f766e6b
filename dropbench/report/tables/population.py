"""Says whether a comparison holds for the tested examples or for new ones like them. See docs/statistics.md."""

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
    """Map each arm's label to the population of its interval, p and verdict: `pool` or `examples`. Empty without verdicts."""
    return {
        label: POOL if v.difference.diverged or isinstance(c.of_examples(v.expression), Untold) else EXAMPLES
        for label, v in c.verdicts.items()
    }


def notes(c: Comparison) -> list[Note]:
    """Return notes on the population that the verdicts of a comparison hold for; see `_told`."""
    return [] if c.measure is None else _told(c, c.verdicts, f"Intervals, p and verdicts on {c.measure.spoken}")


def told(c: Comparison, verdicts: Mapping[str, Contrast], answers: str) -> list[str]:
    """Return the same notes in full for any answers. verdicts: contrasts by name. answers: what to call them together."""
    return [note.full for note in _told(c, verdicts, answers)]


def _told(c: Comparison, verdicts: Mapping[str, Contrast], answers: str) -> list[Note]:
    """Say which population it is, why if it is not the one asked for, and whether all seeds share one test split."""
    if not verdicts:
        return []
    if c.said is None:
        pool = f"{answers} hold for the pool of examples that these seeds drew from, as --about pool asks"
        return [
            Note(
                f"{pool}; for other examples like them they would be less certain.",
                "Intervals and p hold for these examples only, as --about pool asks.",
            )
        ]
    known: dict[str, Widening] = {}
    unknown: dict[str, list[str]] = {}
    for label, v in verdicts.items():
        found = c.of_examples(v.expression)
        if v.difference.finished < 2:
            continue  # it has no interval: fewer than two seeds have a number, or only ranks
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
        else f"which makes the intervals {' to '.join(ends)} times as wide"
    )
    tested = max(k.examples for k in known.values())
    said = f"{answers} hold for new examples like the {tested:,} tested, not only for these"
    return [
        Note(
            f"{said}, {wider}; with --about pool they hold for these only.",
            f"Intervals and p hold for new examples like the {tested:,} tested (--about pool: for these only).",
        )
    ]


def _these(unknown: Mapping[str, list[str]], answers: str, of: int) -> list[Note]:
    return [
        Note(
            f"{answers} hold for the tested examples, not for others like them, in {', '.join(labels)}: {why}.",
            "Intervals and p hold for these test examples, not for others like them"
            f"{'' if len(labels) == of else f', for {few(labels)}'}: {why}.",
        )
        for why, labels in unknown.items()
    ]


def _ranked(ranked: Sequence[str]) -> list[Note]:
    if not ranked:
        return []
    return [
        Note(
            f"But p and verdict of {', '.join(ranked)} are computed from ranks, which hold for the tested examples only.",
            "",
        )
    ]


def _one_split(c: Comparison, known: Mapping[str, Widening]) -> list[Note]:
    if not known or not all(k.one_split for k in known.values()):
        return []
    tested = next(iter(known.values())).examples
    fresh = ", and so will those of --confirm" if c.choices else ""
    return as_they_are(
        [
            f"All seeds test the same {tested:,} examples{fresh}: more seeds make the difference on these examples more "
            "certain, but say nothing more about others."
        ]
    )

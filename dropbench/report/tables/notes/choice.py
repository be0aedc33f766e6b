"""Notes on how a rate or another strength was chosen, and what must not be concluded from the choice."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

from dropbench.report.statistics.contrast import Contrast
from dropbench.report.tables.comparison import Comparison
from dropbench.report.tables.notes.note import Note, as_they_are
from dropbench.report.tables.notes.runs import few
from dropbench.report.tables.repeats import fresh_seeds, spoken, under_fresh_seeds
from dropbench.report.tables.selection import Choice, word
from dropbench.values import spans


def notes(c: Comparison) -> list[Note]:
    """Return the rule by which strengths were chosen, and what must not be concluded from the choice."""
    if c.fresh:
        return as_they_are(["Other seeds chose these arms, so luck in the choice does not make them look better here."])
    return [*_chosen(c.choices, again := under_fresh_seeds(c)), *_again(c, again)]


def _again(c: Comparison, again: Mapping[str, Contrast]) -> list[Note]:
    """Return what the arms did under fresh seeds."""
    if not again:
        return []
    told = "; ".join(spoken(label, contrast) for label, contrast in again.items())
    return [
        Note(f"Under fresh seeds, {fresh_seeds(c)}, in a table of their own: {told}.", "")
    ]  # the diagnosis says it too


def _chosen(choices: Sequence[Choice], again: Collection[str]) -> list[Note]:
    """Return the rule by which strengths were chosen. again: the arms that were compared again under fresh seeds."""
    if not choices:
        return []
    first, unsafe = choices[0], [label for c in choices for label in c.unsafe]
    seeds, what = {c.seeds for c in choices}, word(choices)
    going_without = "going without dropout" if what == "rate" else "going without"
    which = f"seeds {spans(list(first.seeds))}" if len(seeds) == 1 else f"the seeds that all {what}s of a sweep have"
    none = [f"{c.variant} ({few(c.of)})" for c in choices if c.idle]
    full = (
        f"{what.capitalize()} chosen by mean {first.rule.spoken} over {which}, and by nothing else: do not choose another "
        f"{what} by its {first.test.spoken}. The score of the choice is from the same seeds that chose it"
    )
    brief = f"{what.capitalize()} chosen by {first.rule.spoken}"
    if any(not c.idle and c.chosen not in again for c in choices):
        full += "; `dropbench report --confirm` trains the choice and its baseline under fresh seeds"
        brief += "; `dropbench report --confirm` tests it under fresh seeds"
    told = [Note(f"{full}.", f"{brief}." * (len(none) < len(choices)))]
    if none:
        of = "" if len(none) == len(choices) else f": {', '.join(c.variant for c in choices if c.idle)}"
        told.append(
            Note(
                f"{going_without.capitalize()} has the best {first.rule.spoken}, so no {what} is chosen: {'; '.join(none)}.",
                f"By {first.rule.spoken} no {what} beats {going_without}, so none is chosen{of}.",
            )
        )
    return told + as_they_are(
        [f"Not considered in the choice, since more of their seeds diverged: {', '.join(unsafe)}."] * bool(unsafe)
    )

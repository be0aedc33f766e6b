"""Notes on what is compared with what: which arm stands in as the baseline, and which seeds make pairs."""

from __future__ import annotations

from collections.abc import Sequence

from dropbench.report.statistics.difference import WELCH
from dropbench.report.statistics.interval import MIN_PAIRS
from dropbench.report.tables.comparison import Comparison
from dropbench.report.tables.notes.note import Note, as_they_are
from dropbench.values import plural, spans


def stand_in(arms: Sequence[str]) -> list[str]:
    """Explain why an arm that is not called none is the baseline. arms: all arms that drop nothing, the baseline first."""
    baseline, *rest = arms
    also = f"; {' and '.join(rest)} drop{'s' if len(rest) == 1 else ''} nothing either" if rest else ""
    return [f"No arm here is called none: the baseline is {baseline}, which drops nothing{also}."]


def still(baseline: str) -> str:
    """Explain the same for a baseline that drops something."""
    return (
        f"Every arm here has dropout, so this comparison cannot say whether dropout helps at all: the baseline is {baseline}, "
        "whose rate stays constant, and the others differ from it only in the schedule of the rate."
    )


def notes(comparison: Comparison, wanted: str, candidates: Sequence[str]) -> list[Note]:
    """Say which seeds are compared, or why nothing is. candidates: the arms that `wanted` may have meant."""
    if comparison.baseline is not None:
        return _pairing(comparison, comparison.baseline)
    if len(candidates) > 1:
        return as_they_are(
            [
                f"No differences: baseline '{wanted}' may be {' or '.join(map(repr, candidates))}; name one with --baseline."
            ]
        )
    valid = ", ".join(f"'{arm}'" for arm in comparison.labels)
    return as_they_are(
        [f"No differences: no arm here is the baseline '{wanted}'; choose one of {valid} with --baseline."]
    )


def _pairing(comparison: Comparison, baseline: str) -> list[Note]:
    pairs = comparison.pairs
    if not pairs:
        return []
    told = []
    seeds = {arm: set(rows["seed"]) for arm, rows in comparison.runs.groupby("label")}
    apart = [arm for arm in pairs if not seeds[arm] & seeds[baseline]]
    alone = {a: sorted(seeds[a] ^ seeds[baseline]) for a in pairs if a not in apart and seeds[a] != seeds[baseline]}
    if alone:
        parts = "; ".join(f"{arm}, {plural(len(s), 'seed')} {spans(s)}" for arm, s in alone.items())
        told += as_they_are(
            [f"Left out of the differences from {baseline}, since only one of the two arms has these seeds: {parts}."]
        )
    if apart:
        told += as_they_are(
            [
                f"Compared unpaired by {WELCH}, which is less precise, since they share no seed with {baseline}: "
                f"{', '.join(apart)}."
            ]
        )
    # Without pairs, the number of runs of the smaller arm counts.
    runs = {s.arm.label: s.n for s in comparison.summaries}
    rests_on = {arm: min(runs[arm], runs[baseline]) if arm in apart else n for arm, n in pairs.items()}
    few = {arm: n for arm, n in rests_on.items() if n < MIN_PAIRS}
    if few:
        n, what = max(few.values()), "runs" if set(few) <= set(apart) else "pairs"
        who = "" if len(few) == len(pairs) else f" in {', '.join(few)}"
        best = f"even if all {n} differences point one way, a sign-flip test cannot go below p = {2 / 2**n:.4g}"
        said = f"Fewer than six {what}{who}, so no winner is named"
        told.append(Note(said + (f": {best}." if n > 1 and what == "pairs" else "."), f"{said}."))
    return told

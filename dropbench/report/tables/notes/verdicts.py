"""What verdicts, intervals and p are, and what warns of taking them for more."""

from __future__ import annotations

import math
from collections.abc import Mapping
from statistics import fmean, median, stdev

from dropbench.report.statistics.contrast import Contrast
from dropbench.report.statistics.interval import ALPHA, MIN_PAIRS, confidence
from dropbench.report.statistics.permutation import EXACT, FLIPS
from dropbench.report.statistics.power import MOST
from dropbench.report.statistics.verdict import SAME, definition
from dropbench.report.tables.comparison import Comparison
from dropbench.report.tables.notes.note import Note
from dropbench.values import count

_SPOKEN = 3
"""How many arms a sentence goes through before it says how many are left."""


def notes(comparison: Comparison) -> list[Note]:
    """What the numbers of the differences are, the verdict's rule, and what would confirm what is not."""
    contrasts = {label: c for label, c in comparison.verdicts.items() if c.verdict}
    if not contrasts:
        return []
    first = next(iter(contrasts.values()))
    told = [Note(*definition(first.measure, first.region, comparison.rope is not None, first.tests))]
    methods: dict[str, list[str]] = {}
    for label, c in contrasts.items():
        methods.setdefault(c.difference.interval, []).append(label)
    if len(methods.keys() - {""}) > 1:
        by_method = [f"{how} in {', '.join(arms)}" for how, arms in methods.items() if how]
        told.append(Note(f"Interval: {'; '.join(by_method)}.", ""))
    told += _by_rank(contrasts)
    pairs = max(c.difference.pairs for c in contrasts.values())
    if any(c.difference.p == c.difference.p for c in contrasts.values()):
        flips = "exact" if pairs <= EXACT else f"{FLIPS:,} random flips beyond {EXACT} pairs"
        test = f"sign flips of whole seeds, {flips}" if pairs else "Welch's t"
        among = f"; adjusted: among {len(contrasts)} arms, by steps" if len(contrasts) > 1 else ""
        p = (
            f"p: two-sided, {test}{among}. P(better): that one more seed favours the arm, Wilson's interval. MDE: the true "
            "difference that this verdict confirms in 80 % of studies of this size, were the spread the one that was measured."
        )
        told.append(Note(p, ""))
    looks = comparison.alpha * max(1, len(comparison.outcomes)) < ALPHA  # which are paid for
    told += _outcomes(comparison) + _coarse(contrasts) + _one_seed(contrasts)
    return told + _more_seeds(contrasts, looks)


def _coarse(contrasts: Mapping[str, Contrast]) -> list[Note]:
    """Where so few test examples cannot show that two arms are the same."""
    coarse = [c for c in contrasts.values() if c.region < c.resolution]
    if not coarse:
        return []
    c = max(coarse, key=lambda c: c.resolution)
    n, write = c.difference.finished, c.measure.size
    said = f"{count(n, 'seed')} of {c.examples:,} test examples cannot show that two arms are {SAME} within ±{write(c.region)}"
    return [
        Note(
            f"{said}, even where they agree in all: {write(c.resolution)} is the least (3 in {n * c.examples:,}). It takes "
            "more seeds, more examples or a wider --rope.",
            f"{said}.",
        )
    ]


def _one_seed(contrasts: Mapping[str, Contrast]) -> list[Note]:
    """Where one seed is far from all others: then neither a mean nor its interval says much."""
    told = []
    for label, c in contrasts.items():
        seeds = [*c.values]
        if len(seeds) < MIN_PAIRS or not all(map(math.isfinite, c.values.values())):
            continue
        middle = median(c.values.values())
        far = max(seeds, key=lambda seed: abs(c.values[seed] - middle))
        rest = [value for seed, value in c.values.items() if seed != far]
        # Of normal differences that is so in 1 % of studies. Where all others agree it is one example or two, and no collapse.
        if 0 < stdev(rest) * (1 + 10 / len(seeds)) < stdev(c.values.values()):
            write, points = c.measure.difference, c.measure.points
            told.append(
                f"{label}, seed {far} ({f'{write(c.values[far])} {points}'.rstrip()}, without it {write(fmean(rest))})"
            )
    if not told:
        return []
    rest_ = f"; and {count(len(told) - _SPOKEN, 'more arm')}" if len(told) > _SPOKEN else ""
    said = f"One seed carries most of the spread: {'; '.join(told[:_SPOKEN])}{rest_}."
    return [
        Note(
            f"{said} Of such differences an interval misses more often than it says: look at that run (its curves, and "
            "whether the gradient exploded) before the mean is believed.",
            f"{said} Look at that run before the mean is believed.",
        )
    ]


def _by_rank(contrasts: Mapping[str, Contrast]) -> list[Note]:
    """How seeds that diverged count, where some did."""
    bad = {label: c.difference for label, c in contrasts.items() if c.difference.diverged}
    if not bad:
        return []
    who = "" if len(bad) == len(contrasts) else f"In {', '.join(bad)} "
    ranks = "signed ranks" if all(d.pairs for d in bad.values()) else "ranks"
    rests = "; ".join(f"{label}, {d.finished} of {d.n}" for label, d in bad.items())
    lost = next(iter(contrasts.values())).how_lost
    full = (
        f"{who}{'s' if who else 'S'}eeds {lost}. Such a seed counts as worse than every other, and as equal where both arms "
        f"{lost}: p, P(better) and verdict are by {ranks}, against the region's edges too; {SAME} is not said where one "
        f"arm alone {lost}. Mean difference and interval are of the seeds that have a number in both ({rests})."
    )
    some = "; ".join(rests.split("; ")[:_SPOKEN]) + (
        f"; and {len(bad) - _SPOKEN} more arms" if len(bad) > _SPOKEN else ""
    )
    counts = (
        f"differences are of the rest ({some})"
        if any(d.finished for d in bad.values())
        else "no seed is left for a mean"
    )
    return [
        Note(full, f"{who}{'s' if who else 'S'}eeds {lost}: they count as worst, by rank, in verdict and p; {counts}.")
    ]


def _outcomes(comparison: Comparison) -> list[Note]:
    """Which measures were named in advance, and what that leaves of the others."""
    named = comparison.outcomes
    if not named:
        return []
    each = (
        f"; each has intervals of {confidence(comparison.alpha)}, so that all of them hold at once"
        if len(named) > 1
        else ""
    )
    said = f"Outcomes named in advance: {', '.join(m.spoken for m in named)}"
    return [
        Note(
            f"{said}{each}. Differences of other measures are exploratory: what is found there is to be confirmed under fresh "
            "seeds.",
            f"{said}. Differences of other measures are exploratory.",
        )
    ]


def _more_seeds(contrasts: Mapping[str, Contrast], looks: bool) -> list[Note]:
    """One sentence on what is not confirmed. An arm with too few pairs to know a spread is not spoken of.

    In short it is left to the column of these numbers, and to the diagnosis.
    """
    needed = {label: c.seeds_needed for label, c in contrasts.items() if not c.confirmed}
    known = sorted(((n, label) for label, n in needed.items() if n.even == n.even), key=lambda pair: pair[0])
    if not known:
        return []
    reachable = [(n, label) for n, label in known if math.isfinite(n.even)]
    parts = [
        f"{label}, {n.even:,.0f} with an even chance"
        + (f" and {n.likely:,.0f} with four in five" if math.isfinite(n.likely) else "")
        for n, label in reachable[:_SPOKEN]
    ]
    if len(reachable) > _SPOKEN:
        parts.append(f"{count(len(reachable) - _SPOKEN, 'more arm')}, see --wide")
    if far := [label for n, label in known if math.isinf(n.even)]:
        few = ", ".join(far[:_SPOKEN]) + (f" and {len(far) - _SPOKEN} more" if len(far) > _SPOKEN else "")
        parts.append(f"{few}, more than {MOST:,} (at the edge of what matters, or of too few examples)")
    # There is no number to decide on where none is known.
    decide = " Decide on a number before looking again: stopping at the first winner finds too many."
    told = (
        f"Seeds in all that would confirm what is not confirmed, given what these seeds leave open: {'; '.join(parts)}."
        + decide * (not looks and bool(reachable))
    )
    return [Note(told, "")]

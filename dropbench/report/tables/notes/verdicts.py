"""Notes that explain verdicts, intervals and p, and warn of reading too much into them."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from statistics import fmean, median, variance

from dropbench.report.statistics.contrast import Contrast
from dropbench.report.statistics.interval import ALPHA, MIN_PAIRS, confidence
from dropbench.report.statistics.permutation import EXACT, FLIPS
from dropbench.report.statistics.power import MOST
from dropbench.report.statistics.verdict import SAME, UNTOLD, definition
from dropbench.report.tables.columns import p_value
from dropbench.report.tables.comparison import Comparison
from dropbench.report.tables.notes.note import Note, as_they_are
from dropbench.values import count

_SPOKEN = 3
"""The number of arms that a sentence names before it says how many are left."""


def notes(comparison: Comparison) -> list[Note]:
    """Return notes on the columns of the differences, the rule of the verdict, and how many seeds would confirm it."""
    contrasts = {label: c for label, c in comparison.verdicts.items() if c.verdict}
    if not contrasts:
        return []
    first = next(iter(contrasts.values()))
    doubted = [label for label, c in contrasts.items() if _of_itself(c)]
    stated = comparison.rope is not None
    told = [Note(*definition(first.measure, first.region, stated, first.tests, bool(doubted)))]
    told += _beside_p(contrasts, doubted)
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
        among = f"; adjusted for {len(contrasts)} arms, step by step" if len(contrasts) > 1 else ""
        p = (
            f"p: two-sided, {test}{among}. P(better): the probability that the arm does better under one more seed, with "
            "Wilson's interval. MDE: if the true difference is this large, and seeds vary as they did here, 80 % of studies of "
            "this size confirm it."
        )
        told.append(Note(p, ""))
    looks = comparison.alpha * max(1, len(comparison.outcomes)) < ALPHA  # the level pays for several looks
    told += _outcomes(comparison) + _coarse(contrasts) + _one_seed(contrasts)
    return told + _more_seeds(contrasts, looks)


def _of_itself(c: Contrast) -> bool:
    """Return whether the verdict follows from the arm's own interval, and not from the one that holds for all arms at once."""
    unsure = c.direction not in ("", UNTOLD) and not c.confirmed
    return unsure and c.difference.finished >= MIN_PAIRS and not c.difference.diverged


def _beside_p(contrasts: Mapping[str, Contrast], doubted: Sequence[str]) -> list[Note]:
    """Explain a table in which an arm without a verdict has a smaller p than one with a ?, which looks like a contradiction.

    The verdict with a ? follows from the arm's own interval, p from all arms at once. Among them an arm whose seeds agree well
    counts for less than by itself (`family` says why), so the order of p need not be that of the arms by themselves.
    """
    plain = {label: c for label, c in contrasts.items() if c.direction == UNTOLD and not c.difference.diverged}
    doubted = [label for label in doubted if contrasts[label].direction != SAME]
    known = {label: c.difference.p_adjusted for label, c in plain.items() if math.isfinite(c.difference.alone[0])}
    if not known or not doubted:
        return []
    open_, unsure = min(known, key=known.__getitem__), max(doubted, key=lambda a: contrasts[a].difference.p_adjusted)
    arms = contrasts[unsure], contrasts[open_]
    p = [p_value(c.difference.p_adjusted) for c in arms]
    if p[0] == p[1] or known[open_] > arms[0].difference.p_adjusted:
        return []
    own = [" to ".join(map(c.measure.difference, c.difference.alone)) for c in arms]
    return as_they_are(
        [
            f"The verdict on {unsure} is {arms[0].direction}? with p = {p[0]}, and on {open_} {UNTOLD} with p = {p[1]}: p and "
            f"the interval shown are for all {arms[0].tests} arms at once, a verdict with a ? is by the interval its arm "
            f"would have by itself ({unsure} {own[0]}, {open_} {own[1]})."
        ]
    )


def _coarse(contrasts: Mapping[str, Contrast]) -> list[Note]:
    """Warn if there are too few test examples to show that two arms are the same."""
    coarse = [c for c in contrasts.values() if c.region < c.resolution]
    if not coarse:
        return []
    c = max(coarse, key=lambda c: c.resolution)
    n, write = c.difference.finished, c.measure.size
    said = f"{count(n, 'seed')} of {c.examples:,} test examples cannot show that two arms are {SAME} within ±{write(c.region)}"
    return [
        Note(
            f"{said}, even if the arms agree on every example: ±{write(c.resolution)} is the narrowest range that can be shown "
            f"(3 in {n * c.examples:,}). Use more seeds, more examples or a wider --rope.",
            f"{said}.",
        )
    ]


def _one_seed(contrasts: Mapping[str, Contrast]) -> list[Note]:
    """Warn if one seed is far from all others: then neither the mean nor its interval says much."""
    told = []
    for label, c in contrasts.items():
        seeds = [*c.values]
        if len(seeds) < MIN_PAIRS or not all(map(math.isfinite, c.values.values())):
            continue
        middle = median(c.values.values())
        far = max(seeds, key=lambda seed: abs(c.values[seed] - middle))
        rest = [value for seed, value in c.values.items() if seed != far]
        # With normally distributed differences this happens in 1 % of studies, and in fewer with more than some 25 seeds, of
        # which one can be far out and yet no more than a small part of the spread. If all other seeds agree exactly, the
        # outlier is a matter of one or two examples and no collapse.
        whole, left = variance(c.values.values()), variance(rest)
        if 0 < left * (1 + 10 / len(seeds)) ** 2 < whole and left * (len(rest) - 1) < whole * len(rest) / 2:
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
            f"{said} Intervals of such differences miss the truth more often than they say: look at that run (its curves, and "
            "whether the gradient exploded) before you believe the mean.",
            f"{said} Look at that run before you believe the mean.",
        )
    ]


def _by_rank(contrasts: Mapping[str, Contrast]) -> list[Note]:
    """Explain how seeds that diverged are counted."""
    bad = {label: c.difference for label, c in contrasts.items() if c.difference.diverged}
    if not bad:
        return []
    who = "" if len(bad) == len(contrasts) else f"In {', '.join(bad)} "
    ranks = "signed ranks" if all(d.pairs for d in bad.values()) else "ranks"
    rests = "; ".join(f"{label}, {d.finished} of {d.n}" for label, d in bad.items())
    lost = next(iter(contrasts.values())).how_lost
    full = (
        f"{who}{'s' if who else 'S'}eeds {lost}. Such a seed counts as worse than every other, and as a tie if both arms "
        f"{lost}: p, P(better) and verdict are computed from {ranks}, also at the limits of what counts as no difference; "
        f"{SAME} is not possible if only one arm {lost}. Mean difference and interval use the seeds that have a number in "
        f"both ({rests})."
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
        Note(full, f"{who}{'s' if who else 'S'}eeds that {lost} count as worst, by rank, in verdict and p; {counts}.")
    ]


def _outcomes(comparison: Comparison) -> list[Note]:
    """Name the outcomes chosen in advance, and say that all other measures are exploratory."""
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
            f"{said}{each}. Differences of other measures are exploratory: confirm under fresh seeds what you find there.",
            f"{said}. Differences of other measures are exploratory.",
        )
    ]


def _more_seeds(contrasts: Mapping[str, Contrast], looks: bool) -> list[Note]:
    """Say how many seeds would confirm the open verdicts. Arms with too few pairs to know their spread are left out.

    The short form is empty, since a column of the table and the diagnosis show these numbers.
    """
    needed = {label: c.seeds_needed for label, c in contrasts.items() if not c.confirmed}
    known = sorted(((n, label) for label, n in needed.items() if n.even == n.even), key=lambda pair: pair[0])
    if not known:
        return []
    reachable = [(n, label) for n, label in known if math.isfinite(n.even)]
    parts = [
        f"{label}, {n.even:,.0f} with an even chance"
        + (f" and {n.likely:,.0f} with a chance of four in five" if math.isfinite(n.likely) else "")
        for n, label in reachable[:_SPOKEN]
    ]
    if len(reachable) > _SPOKEN:
        parts.append(f"{count(len(reachable) - _SPOKEN, 'more arm')}, see --wide")
    if far := [label for n, label in known if math.isinf(n.even)]:
        few = ", ".join(far[:_SPOKEN]) + (f" and {len(far) - _SPOKEN} more" if len(far) > _SPOKEN else "")
        parts.append(f"{few}, more than {MOST:,} (too close to what matters, or too few test examples)")
    # Without a known number of seeds there is nothing to decide on.
    decide = " Decide on a number of seeds before you look again: stopping at the first winner finds too many winners."
    told = (
        f"Total number of seeds that would confirm a verdict, estimated from these seeds: {'; '.join(parts)}."
        + decide * (not looks and bool(reachable))
    )
    return [Note(told, "")]

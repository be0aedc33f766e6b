"""What a reader must know beside the numbers: the sentences under a table. They claim no more than the data say."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import fmean, median, stdev

import pandas as pd

from dropbench.report.records.frame import PACKAGES
from dropbench.report.records.measures import Measures
from dropbench.report.statistics.contrast import Contrast
from dropbench.report.statistics.difference import WELCH
from dropbench.report.statistics.interval import ALPHA, MIN_PAIRS, confidence
from dropbench.report.statistics.permutation import EXACT, FLIPS
from dropbench.report.statistics.power import MOST
from dropbench.report.statistics.verdict import SAME, definition
from dropbench.report.tables.collapsed import collapsed
from dropbench.report.tables.comparison import Comparison
from dropbench.report.tables.how_chosen import rule
from dropbench.report.tables.selection import Choice
from dropbench.store import Skipped
from dropbench.values import count, plain, plural, spans, written

SOURCES = {
    "data_fingerprint": "data (runs that did not see the same examples)",
    "git_commit": "git commits",
    "device": "devices",
    **{f"{package}_version": f"{package} versions" for package in PACKAGES},
}
_SHORT = 90
_SPOKEN = 3
"""How many arms a sentence goes through before it says how many are left."""


def about(comparison: Comparison, wanted: str, candidates: Sequence[str]) -> list[str]:
    """The notes of one comparison. candidates: the arms that `wanted` may have meant, when there is not just one."""
    runs, arms = comparison.runs, comparison.labels
    notes = [
        _seeds(runs, arms),
        *unfinished(runs, arms),
        rule(runs, comparison.measures),
        *_learned(runs, arms),
        *_own_noise(runs, arms),
        *collapsed(runs, arms),
    ]
    if comparison.baseline is not None:
        notes += _pairing(comparison, comparison.baseline)
    elif len(candidates) > 1:
        notes.append(
            f"No differences: baseline '{wanted}' may be {' or '.join(map(repr, candidates))}; name one with --baseline."
        )
    else:
        valid = ", ".join(f"'{arm}'" for arm in arms)
        notes.append(f"No differences: no arm here is the baseline '{wanted}'; choose one of {valid} with --baseline.")
    return [*notes, *mixed(runs)]


def stand_in(arms: Sequence[str]) -> list[str]:
    """Of a baseline that is not called none: why it is one. arms: all that drop nothing, the baseline first."""
    baseline, *rest = arms
    also = f"; nor does {' or '.join(rest)}" if rest else ""
    return [f"No arm here is called none: the baseline is {baseline}, which drops nothing{also}."]


def still(baseline: str) -> str:
    """The same of one that drops something."""
    return (
        f"No arm here drops nothing: the baseline is {baseline}, whose rate stays as it is; the others differ in its schedule "
        "alone."
    )


def missing(planned: Sequence[str], frame: pd.DataFrame) -> list[str]:
    """How far a plan has come, if not to its end."""
    stored = set(frame["run_id"]) if len(frame) else set()
    absent = sum(run not in stored for run in planned)
    return (
        [f"{absent} of {len(planned)} planned runs not run yet; the same sweep command goes on with them."]
        if absent
        else []
    )


def mixed(frame: pd.DataFrame) -> list[str]:
    """Sources that should be one and are not."""
    notes = []
    for column, what in SOURCES.items():
        counts = Counter("unknown" if v is None else written(v) for v in frame[column].tolist())
        if len(counts) > 1:
            parts = ", ".join(
                f"{value[:12] if column == 'git_commit' else value} ({count(n, 'run')})"
                for value, n in sorted(counts.items())
            )
            notes.append(f"Mixed {what}: {parts}.")
    return notes


def disputed(measures: Measures) -> list[str]:
    """The metrics that runs declare in several ways."""
    if not measures.disputed:
        return []
    told = ", ".join(f"{name} (version {measures.declared[name].version})" for name in measures.disputed)
    return [f"Runs declare these metrics in several ways, of which the newest counts for all: {told}."]


def several_folders(rivals: Mapping[str, Sequence[Path]]) -> list[str]:
    """Of runs that lie in several folders with other numbers: which is used. rivals: the folder used first."""
    if not rivals:
        return []
    parts = [f"{used}, not {', '.join(map(str, others))}" for used, *others in list(rivals.values())[:_SPOKEN]]
    rest = f"; and {len(rivals) - _SPOKEN} more" if len(rivals) > _SPOKEN else ""
    lie = "lies" if len(rivals) == 1 else "lie"
    return [
        f"{count(len(rivals), 'run')} {lie} in several folders with other numbers; the one that finished, and was started "
        f"last, is used: {'; '.join(parts)}{rest}."
    ]


def skipped(items: Sequence[Skipped]) -> list[str]:
    """A count, and each reason with how often and one place where."""
    return [f"Skipped {count(len(items), 'record')}: {_reasons(items)}."] if items else []


def histories(damaged: Sequence[Skipped]) -> list[str]:
    """Of those that cannot be used: their runs have scores, and no curves."""
    if not damaged:
        return []
    which = "history" if len(damaged) == 1 else "histories"
    return [f"Left out {len(damaged)} damaged {which}, so curves and best epochs are without: {_reasons(damaged)}."]


def _reasons(items: Sequence[Skipped]) -> str:
    reasons = Counter(item.reason for item in items)
    first = {item.reason: item.path for item in reversed(items)}
    return "; ".join(f"{n} × {reason} ({first[reason]})" for reason, n in sorted(reasons.items()))


def _seeds(runs: pd.DataFrame, arms: Sequence[str]) -> str:
    done = runs[runs["status"] == "completed"]
    seeds = {arm: spans(done.loc[done["label"] == arm, "seed"].tolist()) for arm in arms}
    if len(set(seeds.values())) == 1:
        return f"Seeds: {seeds[arms[0]] or 'no run completed'}{', the same in every arm' if len(arms) > 1 else ''}."
    by_seeds: dict[str, list[str]] = {}
    for arm, shown in seeds.items():
        by_seeds.setdefault(shown or "no run completed", []).append(arm)
    return "Seeds: " + "; ".join(f"{shown} ({', '.join(some)})" for shown, some in by_seeds.items()) + "."


def unfinished(runs: pd.DataFrame, arms: Sequence[str]) -> list[str]:
    """The runs of these arms, which are all that `runs` has, that failed or diverged, and why."""
    notes = []
    runs = runs.sort_values("label", key=lambda labels: labels.map(arms.index), kind="stable")
    for status in ("failed", "diverged"):
        rows = runs[runs["status"] == status]
        parts = []
        for (arm, reason), some in rows.fillna({"reason": "no reason recorded"}).groupby(
            ["label", "reason"], sort=False
        ):
            first = first_line(str(reason)) or ""
            why = first if len(first) <= _SHORT else first[: _SHORT - 1] + "…"
            parts.append(f"{arm}, {plural(len(some), 'seed')} {spans(some['seed'].tolist())} ({why})")
        if parts:
            notes.append(f"{status.capitalize()}, in no mean: {'; '.join(parts)}.")
    return notes


def first_line(reason: str | None) -> str | None:
    """Of why a run did not complete, which may be a whole traceback."""
    return plain((reason.strip().splitlines() or [""])[0]) if reason is not None else None


def _learned(runs: pd.DataFrame, arms: Sequence[str]) -> list[str]:
    """The mean learned rate of each site, and its spread."""
    notes = []
    for arm in arms:
        of_runs = [rates for rates in runs.loc[runs["label"] == arm, "learned_rates"].tolist() if rates]
        parts = []
        for site in dict.fromkeys(site for rates in of_runs for site in rates):
            values = [rates[site] for rates in of_runs if site in rates]
            spread = f" ± {stdev(values):.3f}" if len(values) > 1 else ""
            parts.append(f"{site} {fmean(values):.3f}{spread}")
        if parts:
            notes.append(f"Learned rates of {arm}: {', '.join(parts)}.")
    return notes


def _own_noise(runs: pd.DataFrame, arms: Sequence[str]) -> list[str]:
    """What drew random numbers of its own in a user's module, so that no arm is without noise."""
    of_arms: dict[tuple[str, ...], list[str]] = {}
    for arm in arms:
        found = dict.fromkeys(p for own in runs.loc[runs["label"] == arm, "own_noise"].tolist() for p in own)
        if found:
            of_arms.setdefault(tuple(map(str, found)), []).append(arm)
    notes = []
    for parts, some in of_arms.items():
        where = "every arm" if len(some) == len(arms) else ", ".join(some)
        rest = f" and {len(parts) - _SPOKEN} more" if len(parts) > _SPOKEN else ""
        notes.append(
            f"Noise of the model's own acted in {where}, whatever its rate: {', '.join(parts[:_SPOKEN])}{rest}. An arm called "
            "none is not without noise here."
        )
    return notes


def _pairing(comparison: Comparison, baseline: str) -> list[str]:
    pairs = comparison.pairs
    if not pairs:
        return []
    notes = []
    seeds = {arm: set(rows["seed"]) for arm, rows in comparison.runs.groupby("label")}
    apart = [arm for arm in pairs if not seeds[arm] & seeds[baseline]]
    alone = {a: sorted(seeds[a] ^ seeds[baseline]) for a in pairs if a not in apart and seeds[a] != seeds[baseline]}
    if alone:
        parts = "; ".join(f"{arm}, {plural(len(s), 'seed')} {spans(s)}" for arm, s in alone.items())
        notes.append(f"Run in one of the two arms only, so in no difference from {baseline}: {parts}.")
    if apart:
        notes.append(
            f"No seed in common with {baseline}, so compared unpaired by {WELCH}, less sharply: {', '.join(apart)}."
        )
    # Without pairs it is the smaller arm that counts.
    runs = {s.arm.label: s.n for s in comparison.summaries}
    rests_on = {arm: min(runs[arm], runs[baseline]) if arm in apart else n for arm, n in pairs.items()}
    few = {arm: n for arm, n in rests_on.items() if n < MIN_PAIRS}
    if few:
        n, what = max(few.values()), "runs" if set(few) <= set(apart) else "pairs"
        who = "" if len(few) == len(pairs) else f" in {', '.join(few)}"
        best = f"even if all {n} differences point one way, a sign-flip test cannot go below p = {2 / 2**n:.4g}"
        notes.append(
            f"Fewer than six {what}{who}, so no winner is named{f': {best}' if n > 1 and what == 'pairs' else ''}."
        )
    return notes


def statistics(comparison: Comparison) -> list[str]:
    """What the numbers of the differences are, the verdict's rule, and what would confirm what is not."""
    contrasts = {label: c for label, c in comparison.verdicts.items() if c.verdict}
    if not contrasts:
        return []
    first = next(iter(contrasts.values()))
    notes = [definition(first.measure, first.region, comparison.rope is not None, first.tests)]
    methods: dict[str, list[str]] = {}
    for label, c in contrasts.items():
        methods.setdefault(c.difference.interval, []).append(label)
    if len(methods.keys() - {""}) > 1:
        by_method = [f"{how} in {', '.join(arms)}" for how, arms in methods.items() if how]
        notes.append(f"Interval: {'; '.join(by_method)}.")
    notes += _by_rank(contrasts)
    pairs = max(c.difference.pairs for c in contrasts.values())
    if any(c.difference.p == c.difference.p for c in contrasts.values()):
        flips = "exact" if pairs <= EXACT else f"{FLIPS:,} random flips beyond {EXACT} pairs"
        test = f"sign flips of whole seeds, {flips}" if pairs else "Welch's t"
        among = f"; adjusted: among {len(contrasts)} arms, by steps" if len(contrasts) > 1 else ""
        notes.append(
            f"p: two-sided, {test}{among}. P(better): that one more seed favours the arm, Wilson's interval. MDE: the true "
            "difference that this verdict confirms in 80 % of studies of this size, were the spread the one that was measured."
        )
    looks = comparison.alpha * max(1, len(comparison.outcomes)) < ALPHA  # which are paid for
    notes += _outcomes(comparison) + _coarse(contrasts) + _one_seed(contrasts)
    return notes + _more_seeds(contrasts, looks)


def _coarse(contrasts: Mapping[str, Contrast]) -> list[str]:
    """Where so few test examples cannot show that two arms are the same."""
    coarse = [c for c in contrasts.values() if c.region < c.resolution]
    if not coarse:
        return []
    c = max(coarse, key=lambda c: c.resolution)
    n, write = c.difference.finished, c.measure.size
    return [
        f"{count(n, 'seed')} of {c.examples:,} test examples cannot show that two arms are {SAME} within ±{write(c.region)}, "
        f"even where they agree in all: {write(c.resolution)} is the least (3 in {n * c.examples:,}). It takes more seeds, "
        "more examples or a wider --rope."
    ]


def _one_seed(contrasts: Mapping[str, Contrast]) -> list[str]:
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
    return [
        f"One seed carries most of the spread: {'; '.join(told[:_SPOKEN])}{rest_}. Of such differences an interval misses more "
        "often than it says: look at that run (its curves, and whether the gradient exploded) before the mean is believed."
    ]


def _by_rank(contrasts: Mapping[str, Contrast]) -> list[str]:
    """How seeds that diverged count, where some did."""
    bad = {label: c.difference for label, c in contrasts.items() if c.difference.diverged}
    if not bad:
        return []
    who = "" if len(bad) == len(contrasts) else f"In {', '.join(bad)} "
    ranks = "signed ranks" if all(d.pairs for d in bad.values()) else "ranks"
    rests = "; ".join(f"{label}, {d.finished} of {d.n}" for label, d in bad.items())
    lost = next(iter(contrasts.values())).how_lost
    return [
        f"{who}{'s' if who else 'S'}eeds {lost}. Such a seed counts as worse than every other, and as equal where both arms "
        f"{lost}: p, P(better) and verdict are by {ranks}, against the region's edges too; {SAME} is not said where one "
        f"arm alone {lost}. Mean difference and interval are of the seeds that have a number in both ({rests})."
    ]


def _outcomes(comparison: Comparison) -> list[str]:
    """Which measures were named in advance, and what that leaves of the others."""
    named = comparison.outcomes
    if not named:
        return []
    each = (
        f"; each has intervals of {confidence(comparison.alpha)}, so that all of them hold at once"
        if len(named) > 1
        else ""
    )
    return [
        f"Outcomes named in advance: {', '.join(m.spoken for m in named)}{each}. Differences of other measures are "
        "exploratory: what is found there is to be confirmed under fresh seeds."
    ]


def _more_seeds(contrasts: Mapping[str, Contrast], looks: bool) -> list[str]:
    """One sentence on what is not confirmed. An arm with too few pairs to know a spread is not spoken of."""
    needed = {label: c.seeds_needed for label, c in contrasts.items() if not c.confirmed}
    known = sorted(((n, label) for label, n in needed.items() if n.even == n.even), key=lambda pair: pair[0])
    if not known:
        return []
    parts = []
    for n, label in known[:_SPOKEN]:
        if math.isinf(n.even):
            parts.append(f"{label}, more than {MOST:,} (it lies at the edge of what matters, or examples are too few)")
        elif math.isinf(n.likely):
            parts.append(f"{label}, {n.even:,.0f} with an even chance")
        else:
            parts.append(f"{label}, {n.even:,.0f} with an even chance and {n.likely:,.0f} with four in five")
    rest = f"; and {count(len(known) - _SPOKEN, 'more arm')}, see --wide" if len(known) > _SPOKEN else ""
    decide = "" if looks else " Decide on a number before looking again: stopping at the first winner finds too many."
    return [
        f"Seeds in all that would confirm what is not confirmed, given what these seeds leave open: {'; '.join(parts)}{rest}."
        + decide
    ]


def _few(labels: Sequence[str]) -> str:
    """`none, standard 0.1, standard 0.2 and 15 more`."""
    more = f" and {len(labels) - _SPOKEN} more" if len(labels) > _SPOKEN else ""
    return ", ".join(labels[:_SPOKEN]) + more


def selection(choices: Sequence[Choice]) -> list[str]:
    """The rule by which rates were chosen, and what it does not allow."""
    if not choices:
        return []
    first, unsafe = choices[0], [label for c in choices for label in c.unsafe]
    seeds = {c.seeds for c in choices}
    which = f"seeds {spans(list(first.seeds))}" if len(seeds) == 1 else "the seeds that all rates of a sweep have"
    none = [f"{c.variant} ({_few(c.of)})" for c in choices if c.idle]
    confirm = "; `dropbench report --confirm` runs the choice and its baseline under fresh ones"
    return [
        f"Rate chosen by mean {first.rule.spoken} over {which}, and by nothing else: the {first.test.spoken} of the rates "
        f"not chosen is no ground for a choice. The same seeds chose and report{confirm * (len(none) < len(choices))}.",
        *[f"No dropout is best there, so no rate is chosen: {'; '.join(none)}."] * bool(none),
        *[f"Not chosen from, since more of their seeds diverged: {', '.join(unsafe)}."] * bool(unsafe),
    ]

"""The verdict of one comparison in a sentence or two, for a reader who reads nothing else."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from dropbench.errors import listed
from dropbench.report.statistics.contrast import Contrast
from dropbench.report.statistics.interval import MIN_PAIRS
from dropbench.report.statistics.verdict import UNTOLD
from dropbench.report.tables.comparison import Comparison
from dropbench.report.tables.facts import DOWNWARDS, UPWARDS
from dropbench.values import plain

FEW = 3
"""Up to this many arms, all are named. Of more, only those whose strength was chosen: the best of many is partly luck."""


def answers(comparisons: Sequence[Comparison]) -> list[str]:
    """Return the verdict of each comparison in a line, with its title in front if there are several."""
    several = len(comparisons) > 1
    return [f"{plain(c.title)}: " * several + plain(answer(c)) for c in comparisons]


def answer(comparison: Comparison) -> str:
    """Return the verdict word, the difference and its interval for each arm that is named; no more than the table says."""
    if not comparison.verdicts or comparison.measure is None:
        return "No verdict: these runs have no baseline together with another arm that was measured in the same way."
    judged = {
        label: c
        for label, c in comparison.verdicts.items()
        if c.verdict and (c.difference.low == c.difference.low or c.difference.diverged)
    }
    if not judged:
        return f"No verdict: no arm has enough runs to compare with {comparison.baseline} for an interval."
    many = len(judged) > FEW
    chosen = {c.chosen: c.word for c in comparison.choices}
    named = [label for label in judged if not many or label in chosen]
    rest: dict[str, list[str]] = {}
    for label, c in judged.items():
        if label not in named:
            rest.setdefault(_spoken(c), []).append(label)
    parts = [_one(label, judged[label], chosen.get(label) if many else None) for label in named]
    if rest:
        counts = (_counted(rest[word], judged) for word in sorted(rest, key=lambda w: len(rest[w]), reverse=True))
        parts.append(f"{'of the other arms, ' if named else ''}{', '.join(counts)}")
    said = f"Against {comparison.baseline}, on {comparison.measure.spoken}: {'; '.join(parts)}."
    runs = {s.arm.label: s.n for s in comparison.summaries}
    seeds = {label: c.difference.pairs or runs[label] for label, c in judged.items()}
    few = [label for label, n in seeds.items() if n < MIN_PAIRS]
    if few:
        with_ = (
            f"With {min(seeds.values())} seeds nothing" if len(few) == len(seeds) else f"Of {listed(few, FEW)} nothing"
        )
        said += f" {with_} is confirmed: it takes at least {MIN_PAIRS}{' seeds' if len(few) < len(seeds) else ''}."
    return said


def _counted(labels: Sequence[str], judged: Mapping[str, Contrast]) -> str:
    """Return how many arms have the same verdict. Arms with a confirmed one are named: it allows for the number of arms."""
    one = judged[labels[0]]
    who = f" ({listed(labels, FEW)})" if one.confirmed and one.direction in (*UPWARDS, *DOWNWARDS) else ""
    return f"{len(labels)} {_spoken(one).replace(', unconfirmed', ' (unconfirmed)')}{who}"


def _spoken(contrast: Contrast, one: bool = False) -> str:
    """Return the verdict as words: `is better` for one arm, or `better` to follow a number of arms."""
    if contrast.direction == UNTOLD:
        return "cannot be told apart"
    return f"is {contrast.verdict}" if one else contrast.verdict


def _one(label: str, contrast: Contrast, chosen: str | None) -> str:
    d, write = contrast.difference, contrast.measure.difference
    unit = " points" if contrast.measure.in_percent else ""
    rate = f", its {chosen} chosen on validation data," if chosen else ""
    seeds = f", {d.pairs} paired seeds" if d.pairs else ", unpaired"
    if d.diverged:
        return f"{label}{rate} {_spoken(contrast, one=True)} by rank ({_diverged(contrast)}{seeds}; {_of_the_rest(contrast)})"
    return f"{label}{rate} {_spoken(contrast, one=True)} ({write(d.mean)}{unit}, {contrast.between}{seeds})"


def _diverged(contrast: Contrast) -> str:
    """Say how many seeds diverged in which arm or, without pairs, how many runs of each arm."""
    d = contrast.difference
    counts = ((d.lost, f"{contrast.how_lost} in it alone"), (d.won, "in the baseline alone"), (d.tied, "in both"))
    if not d.pairs:
        counts = ((d.lost, f"of its runs {contrast.how_lost}"), (d.won, "of the baseline's"), (0, ""))
    return ", ".join(f"{n} {where}" for n, where in counts if n)


def _of_the_rest(contrast: Contrast) -> str:
    d, write = contrast.difference, contrast.measure.difference
    unit = " points" if contrast.measure.in_percent else ""
    if d.mean != d.mean:
        return "none finished in both"
    interval = f", {contrast.between}" if contrast.between else ""
    return f"of those that finished {write(d.mean)}{unit}{interval}"

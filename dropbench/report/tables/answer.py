"""The verdict of one comparison in a sentence or two: what a reader takes away who reads nothing else."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

from dropbench.report.records.frame import rows_of
from dropbench.report.records.measures import difference, in_percent, spoken
from dropbench.report.statistics.interval import MIN_PAIRS
from dropbench.report.statistics.power import fewest

if TYPE_CHECKING:
    from dropbench.report.assemble import Comparison

FEW = 3
"""Arms that are all named; of more, only those whose rate was chosen: the best of many would be luck in part."""


def answer(comparison: Comparison) -> str:
    """Says no more than the table: the verdict word, the difference and its interval of each arm that is named."""
    baseline, measure = comparison.baseline, comparison.measure
    rows = [r for r in rows_of(comparison.table) if r["arm"] != baseline]
    if baseline is None or measure is None or not rows:
        return "No verdict: these runs hold no baseline and another arm to compare on the same measure."
    judged = [r for r in rows if r["verdict"] and r[f"{measure}_diff_low"] == r[f"{measure}_diff_low"]]
    if not judged:
        return f"No verdict: no arm has enough runs beside {baseline} for an interval."
    chosen = {c.chosen for c in comparison.choices}
    named = [r for r in judged if len(judged) <= FEW or r["arm"] in chosen]
    rest = Counter(r["verdict"] for r in judged if r not in named)
    parts = [_one(r, measure, r["arm"] in chosen and len(judged) > FEW) for r in named]
    about = f"Against {baseline}, on {spoken(measure)}: "
    if rest:
        counts = ", ".join(f"{n} {word}" for word, n in rest.most_common())
        parts.append(f"{'of the other arms, ' if named else ''}{counts}")
    said = f"{about}{'; '.join(parts)}."
    least = min(r["pairs"] or r["n"] for r in judged)
    most = max(r["pairs"] for r in judged)
    needed = fewest(sum(r["p"] == r["p"] for r in judged) or 1)
    if least < MIN_PAIRS:
        said += f" With {least} seeds no winner can be named: it takes at least {MIN_PAIRS}."
    elif 0 < most < needed:
        said += f" With {most} seeds and {len(judged)} arms no winner can be named: it takes at least {needed}."
    return said


def _one(row: dict[str, Any], measure: str, chosen: bool) -> str:
    write, unit = difference(measure), " points" if in_percent(measure) else ""
    mean, low, high = (write(row[f"{measure}_diff_{part}"]) for part in ("mean", "low", "high"))
    rate = ", its rate chosen on validation data," if chosen else ""
    seeds = f", {row['pairs']} paired seeds" if row["pairs"] else ", unpaired"
    return f"{row['arm']}{rate} is {row['verdict']} ({mean}{unit}, 95 % interval {low} to {high}{seeds})"

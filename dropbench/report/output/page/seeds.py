"""The slider of the page: how small a difference a number of seeds would be likely to confirm."""

from __future__ import annotations

import math
import statistics
from dataclasses import dataclass

from dropbench.report.statistics.power import AHEAD, detectable_with
from dropbench.report.tables.comparison import Comparison
from dropbench.report.tables.facts import duration
from dropbench.values import plain


@dataclass(frozen=True)
class Step:
    """A number of seeds, the difference that they would be likely to confirm, and how long training all arms would take."""

    seeds: int
    difference: str
    time: str


@dataclass(frozen=True)
class Slider:
    """steps: from few seeds to many. start: index of the step nearest to the current seeds. arm: whose spread is assumed."""

    steps: tuple[Step, ...]
    start: int
    arm: str


def slider(c: Comparison) -> Slider | None:
    """Return the slider, based on the arm with the (lower) median spread of its differences; None if no spread is known."""
    known = {
        label: k
        for label, k in c.verdicts.items()
        if k.difference.sd > 0 and k.difference.df > 0 and not k.difference.diverged and k.region >= k.resolution
    }
    if not known or c.measure is None:
        return None
    middle = statistics.median_low(k.difference.sd for k in known.values())
    label, contrast = next((label, k) for label, k in known.items() if k.difference.sd == middle)
    each = float(c.runs["seconds"].astype(float).sum()) / max(1, len(set(c.runs["seed"].tolist())))
    steps = []
    for seeds in AHEAD:
        told = detectable_with(contrast.difference, contrast.region, contrast.alpha / contrast.tests, seeds)
        if math.isfinite(told):
            size = c.measure.size(told)
            unit = "" if c.measure.in_percent else f" {c.measure.declared.unit}".rstrip()
            steps.append(Step(seeds, f"{size}{unit}", duration(each * seeds)))
    if not steps:
        return None
    start = min(range(len(steps)), key=lambda i: abs(steps[i].seeds - contrast.difference.pairs))
    return Slider(tuple(steps), start, plain(label))

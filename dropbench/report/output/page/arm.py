"""The details of an arm: its verdict in words, its seeds, its settings beside the baseline's, and how to run it again."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from dropbench.report.records.frame import rows_of
from dropbench.report.tables.columns import ABSENT
from dropbench.report.tables.comparison import Comparison
from dropbench.report.tables.explained import of_arm
from dropbench.report.tables.facts import signed, size
from dropbench.report.tables.report import Report
from dropbench.values import flatten, plain, written

_SAME = ("_target_", "version")
"""Last parts of keys that are left out, because the option's name already implies their values."""


@dataclass(frozen=True)
class Seed:
    """One run beside the baseline's under the same seed, as texts. `ours` of an incomplete run says how it ended."""

    seed: str
    ours: str
    theirs: str
    difference: str
    run: str


@dataclass(frozen=True)
class Panel:
    """The panel of an arm. number: its place in the comparison's table, from 1. settings: (key, arm's, baseline's)."""

    number: int
    label: str
    summary: str
    words: tuple[tuple[str, str], ...]
    seeds: tuple[Seed, ...]
    settings: tuple[tuple[str, str, str], ...]
    command: str


def panels(c: Comparison, report: Report) -> list[Panel]:
    """Return a panel for every arm, the baseline first."""
    words = {s.arm.label: tuple(of_arm(s, c)) for s in c.summaries}
    first = [c.baseline] if c.baseline is not None else []
    return [_panel(c, report, label, words.get(label, ())) for label in dict.fromkeys((*first, *c.labels))]


def _panel(c: Comparison, report: Report, label: str, words: tuple[tuple[str, str], ...]) -> Panel:
    contrast = c.verdicts.get(label)
    summary = "the baseline" if label == c.baseline else ""
    if contrast is not None:
        summary = contrast.verdict or "no verdict"
        summary += f", {size(contrast)}" if not math.isnan(contrast.difference.mean) else ""
    ours = _settings(report, c, label)
    theirs = ours if c.baseline is None else _settings(report, c, c.baseline)
    differing = [k for k in dict.fromkeys((*ours, *theirs)) if ours.get(k, ABSENT) != theirs.get(k, ABSENT)]
    settings = tuple((k, ours.get(k, ABSENT), theirs.get(k, ABSENT)) for k in differing)
    return Panel(
        c.labels.index(label) + 1,
        plain(label),
        summary,
        words,
        tuple(_seeds(c, label)),
        settings,
        plain(c.typed.get(label, "")),
    )


def _settings(report: Report, c: Comparison, label: str) -> Mapping[str, str]:
    config = flatten(report.configs[c.run_of(label)])
    return {
        plain(k): written(v)
        for k, v in config.items()
        if "." in k and k.rpartition(".")[2] not in _SAME and k != "seed"
    }


def _seeds(c: Comparison, label: str) -> list[Seed]:
    if c.measure is None:
        return []
    theirs = c.scores(c.baseline, c.measure) if c.baseline not in (None, label) else {}
    scores, measure = c.scores(label, c.measure), c.measure
    told = []
    for run in sorted(rows_of(c.runs_of(label)), key=lambda r: int(r["seed"])):
        seed = run["seed"]
        mine, other = scores.get(seed, math.nan), theirs.get(seed, math.nan)
        told.append(
            Seed(
                str(seed),
                signed(measure.level(mine)) if not math.isnan(mine) else str(run["status"]),
                signed(measure.level(other)) if not math.isnan(other) else ABSENT,
                signed(measure.difference(mine - other)) if math.isfinite(mine - other) else ABSENT,
                plain(run["run_id"]),
            )
        )
    return told

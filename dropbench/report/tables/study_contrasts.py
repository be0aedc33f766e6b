"""Computes the contrasts that a study names, for the arms of each of its tables."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from dropbench.errors import UsageError
from dropbench.report.records.convergence import in_words
from dropbench.report.statistics.grammar import Node, parse, scores
from dropbench.report.tables.answers import Answer
from dropbench.report.tables.asked import Questions, ask
from dropbench.report.tables.binding import bound
from dropbench.report.tables.comparison import Comparison
from dropbench.report.tables.factors import Factors
from dropbench.store import StoredPlan


def of_study(
    comparison: Comparison, plans: Sequence[StoredPlan], alpha: float, histories: Mapping[str, Path]
) -> tuple[tuple[Answer, ...], list[str]]:
    """Return the answers to the contrasts of the newest plan of these runs, and notes on them and on contrasts without answers.

    They are one family at the level alpha, like those of one `report --contrast`. plans: oldest first. histories: the path of
    history.csv by run id.
    """
    plan = next((p for p in reversed(plans) if p.contrasts), None)
    if plan is None or comparison.measure is None:
        return (), []
    if not set(plan.arms).intersection(name for a in comparison.arms for name in a.names):
        return (), [f"The contrasts of the study {plan.study} are only in its own report: add study={plan.study}."]
    whole = replace(comparison, alpha=alpha, outcomes=(), _contrasts={})
    factors = Factors.of(whole)
    nodes: dict[str, Node] = {}
    missing = []
    for name, text in plan.contrasts.items():
        try:
            node = parse(text)
            frame, words = in_words(whole.runs, whole.measures, histories, {s.measure for s in scores(node)})
            bound(node, Factors.of(replace(whole, runs=frame)) if words else factors, words)
            nodes[name] = node
        except UsageError as error:  # the arm was left out, or none of its runs has completed
            missing.append(f"{name} cannot be computed here: {error}.")
    if not nodes:
        return (), missing
    baseline = [] if comparison.baseline is None else [comparison.baseline]
    asked = ask(whole, baseline, Questions(tuple(nodes.values())), histories)
    named = [_named(name, a, plan) for name, a in zip(nodes, asked.answers, strict=True)]
    parts = sorted((a for a in named if a.part_of), key=_worth)
    told = [
        f"What each regularizer contributes to {arm}: its score minus that of the same arm without this regularizer, paired by "
        "seed; the largest contribution comes first."
        for arm in dict.fromkeys(a.part_of for a in parts)
    ]
    return (*(a for a in named if not a.part_of), *parts), [*told, *asked.notes, *missing]


def _named(name: str, answer: Answer, plan: StoredPlan) -> Answer:
    """Return the answer under the plan's name, and mark it if it compares an arm with itself without one regularizer."""
    of = plan.course.rule.search.get("leave_out", []) if plan.course else []
    begins = plan.contrasts[name].startswith
    arm = next((arm for arm in of if name.endswith(f" in {arm}") and begins(f"arm({arm!r}).")), "")
    return replace(answer, name=name if arm else f"{name}: {answer.name}", part_of=arm)


def _worth(answer: Answer) -> tuple[str, float]:
    """Return the sort key: by arm, and first the regularizer whose removal costs the most."""
    c = answer.contrast
    size = -c.difference.mean * (c.measure.direction or 1)
    return answer.part_of, size if math.isfinite(size) else math.inf

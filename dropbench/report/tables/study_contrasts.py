"""The contrasts that a study names, asked of the arms of each of its tables."""

from __future__ import annotations

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
    """The answers to what the newest plan of these runs asks, and what to know of them and of those that have none.

    They are one family, as those of one `report --contrast`, at this level. plans: oldest first. histories: history.csv by
    run id.
    """
    plan = next((p for p in reversed(plans) if p.contrasts), None)
    if plan is None or comparison.measure is None:
        return (), []
    if not set(plan.arms).intersection(a.name for a in comparison.arms):
        return (), [f"The contrasts that the study {plan.study} names are in its own report: add study={plan.study}."]
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
        except UsageError as error:  # the arm was left out, or none of its runs has finished
            missing.append(f"{name} has no answer here: {error}.")
    if not nodes:
        return (), missing
    baseline = [] if comparison.baseline is None else [comparison.baseline]
    asked = ask(whole, baseline, Questions(tuple(nodes.values())), histories)
    named = [replace(a, name=f"{name}: {a.name}") for name, a in zip(nodes, asked.answers, strict=True)]
    return tuple(named), [*asked.notes, *missing]

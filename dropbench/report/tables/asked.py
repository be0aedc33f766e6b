"""Questions about arms, as contrasts or about configuration keys, and the answers to them.

Interactions and trends are contrasts too, so everything that one command asks is tested in one way.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import chain
from pathlib import Path

import pandas as pd

from dropbench.errors import UsageError
from dropbench.report.records.convergence import in_words
from dropbench.report.records.measures import Measure
from dropbench.report.statistics.contrast import Contrast, Expression
from dropbench.report.statistics.formula import Formula
from dropbench.report.statistics.grammar import Node, arm_written, parse, scores, written
from dropbench.report.statistics.judged import judged
from dropbench.report.statistics.verdict import UNTOLD, region
from dropbench.report.tables.answers import Answer, tabled
from dropbench.report.tables.binding import bound
from dropbench.report.tables.comparison import Comparison
from dropbench.report.tables.factors import Factors
from dropbench.report.tables.notes.runs import mixed, unfinished
from dropbench.report.tables.optimum import Optimum, optima
from dropbench.report.tables.population import told
from dropbench.report.tables.slopes import interactions, trends
from dropbench.values import count


@dataclass(frozen=True)
class Questions:
    """Questions as typed: parsed, but not yet resolved to stored arms.

    contrasts: parsed contrasts. interactions: two keys each. trends, optima: one key each.
    """

    contrasts: tuple[Node, ...] = ()
    interactions: tuple[tuple[str, str], ...] = ()
    trends: tuple[str, ...] = ()
    optima: tuple[str, ...] = ()

    @classmethod
    def typed(
        cls,
        contrasts: Sequence[str] = (),
        interactions: Sequence[str] = (),
        trends: Sequence[str] = (),
        optima: Sequence[str] = (),
    ) -> Questions:
        """Parse typed questions; raise UsageError for a text that cannot be parsed."""
        return cls(tuple(map(parse, contrasts)), tuple(map(_two_keys, interactions)), tuple(trends), tuple(optima))


@dataclass(frozen=True)
class Asked:
    """Answers in the order of the questions, the optima, and notes on the answers."""

    answers: tuple[Answer, ...]
    optima: tuple[Optimum, ...]
    notes: tuple[str, ...]

    @property
    def table(self) -> pd.DataFrame:
        """One row per answer, with numbers in the measure's own unit."""
        return tabled(self.answers)


def ask(
    whole: Comparison, baselines: Sequence[str], questions: Questions, histories: Mapping[str, Path] | None = None
) -> Asked:
    """Answer the questions from all stored arms.

    Parameters
    ----------
    whole : Comparison
        A comparison of all runs, whatever they differ in; interactions, trends and optima are about its measure.
    baselines : sequence
        The labels of the baselines; there are several if a key that does not belong to the arms varies.
    histories : mapping, optional
        The path of history.csv by run id, for measures that are computed from histories.

    Raises
    ------
    UsageError
        If no run has completed, an arm, a measure or a key is unknown or ambiguous, or units do not fit.
    """
    if whole.measure is None:
        raise UsageError("no run here has completed, so there is nothing to compare yet")
    asked_for = {s.measure for node in questions.contrasts for s in scores(node)}
    frame, words = in_words(whole.runs, whole.measures, histories or {}, asked_for)
    whole = replace(whole, runs=frame, _contrasts={}, _widenings={}) if words else whole
    factors, measure = Factors.of(whole), whole.measure
    assert measure is not None
    parts = [([(written(node), node) for node in questions.contrasts], list[str]())]
    parts += [interactions(factors, keys, baselines, measure) for keys in questions.interactions]
    parts += [trends(factors, key, baselines, measure) for key in questions.trends]
    formulas = [(name, bound(node, factors, words)) for named, _ in parts for name, node in named]
    judgements = _judged([formula for _, formula in formulas], whole, baselines)
    answers = [Answer(name, formula, c) for (name, formula), c in zip(formulas, judgements, strict=True)]
    found = [o for key in questions.optima for o in optima(factors, key, measure, whole)]
    about = told(whole, {answer.name: answer.contrast for answer in answers}, "Intervals, p and verdicts")
    return Asked(tuple(answers), tuple(found), (*chain(*(said for _, said in parts)), *_notes(answers, whole), *about))


def about_runs(whole: Comparison, asked: Asked) -> list[str]:
    """Return notes on failed and diverged runs of the arms in the questions, and on sources that should not differ but do."""
    named = {label for answer in asked.answers for label in answer.formula.labels}
    named |= {label for found in asked.optima for label in found.series.labels}
    runs = whole.runs[whole.runs["label"].isin(named)]
    return [*unfinished(runs, [label for label in whole.labels if label in named]), *mixed(runs)]


def _two_keys(typed: str) -> tuple[str, str]:
    keys = [key.strip() for key in typed.split(",")]
    if len(keys) != 2 or not all(keys) or keys[0] == keys[1]:
        raise UsageError(f"--interaction {typed}: write two keys, as in --interaction dropout,train.weight_decay")
    return keys[0], keys[1]


def _judged(formulas: Sequence[Formula], whole: Comparison, baselines: Sequence[str]) -> list[Contrast]:
    """Return the contrasts; those with the same unit and region are one family. Without a unit, the region is 0."""
    families: dict[tuple[str, float], list[int]] = {}
    examples: dict[Expression, int] = {f: whole.examples(f.in_unit_of) for f in formulas if f.in_unit_of is not None}
    for i, formula in enumerate(formulas):
        known = formula.in_unit_of
        size = 0.0 if known is None else _region(known, whole, baselines)
        families.setdefault((formula.unit, size), []).append(i)
    found: dict[int, Contrast] = {}
    for (_, size), places in families.items():
        asked = [formulas[i] for i in places]
        contrasts = judged(
            asked,
            whole.scores,
            size,
            whole.diverged,
            alpha=whole.alpha,
            widened=whole.widened,
            examples=lambda f: examples.get(f, 0),
        )
        found |= dict(zip(places, contrasts, strict=True))
    return [found[i] for i in range(len(formulas))]


def _region(measure: Measure, whole: Comparison, baselines: Sequence[str]) -> float:
    """Return half the width of the region; a share in % is of the mean over all baselines or, without one, over all arms."""
    typed = whole.rope if whole.measure is not None and measure.metric == whole.measure.metric else None
    done = whole.runs[whole.runs["status"] == "completed"]
    return region(typed, measure, done[done["label"].isin(baselines or whole.labels)])


def _notes(answers: Sequence[Answer], whole: Comparison) -> list[str]:
    """Return notes on the arm that `better` refers to, the region, the correction, and the choices of `best`."""
    notes = []
    if any(a.contrast.measure.direction for a in answers):
        notes.append("Better and worse describe the arm that a contrast names first.")
    families: dict[tuple[str, float], list[Answer]] = {}
    for answer in answers:
        families.setdefault((answer.formula.unit, answer.contrast.region), []).append(answer)
    for (unit, size), family in families.items():
        first, n = family[0].contrast, len(family)
        over = f"; the intervals hold for these {n} at once, and p is adjusted for them" if n > 1 else ""
        named = f"In {'points' if first.measure.in_percent else unit}" if unit else "Without a unit"
        same = (
            f"±{first.measure.size(size)} counts as no difference"
            if unit
            else "anything that is certainly not 0 counts as a difference"
        )
        notes.append(f"{named}, {count(n, 'contrast')}: {same}{over}.")
    if any(a.contrast.direction not in ("", UNTOLD) and not a.contrast.confirmed for a in answers):
        notes.append(
            "A question mark means not confirmed: there are fewer than six seeds, or only the interval that the contrast would "
            "have by itself confirms it, and not the one that is shown."
        )
    for best, counted in {b: n for a in answers for b, n in a.formula.choices(whole.scores).items()}.items():
        rule = whole.measures.read(best.by)
        taken = ", ".join(
            f"{label or 'none, because there is no other seed'} ({count(n, 'seed')})"
            for label, n in counted.most_common()
        )
        notes.append(
            f"{arm_written(best)} is under each seed the arm with the best mean {rule.spoken} over the other seeds: {taken}."
        )
    return notes

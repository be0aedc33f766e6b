"""One comparison from the runs of its arms: baseline, choices, notes, the study's questions, and the diagnosis."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import pandas as pd

from dropbench.errors import UsageError
from dropbench.report.diagnosis.evidence import Evidence
from dropbench.report.diagnosis.rules import diagnose
from dropbench.report.gathered import Gathered, said_of
from dropbench.report.records.measures import Measure, Measures
from dropbench.report.records.said import Said
from dropbench.report.tables import courses
from dropbench.report.tables.arms import NONE, Arm, find, name_arms, quiet, unscheduled
from dropbench.report.tables.comparison import Comparison, Diagnosis
from dropbench.report.tables.notes import pairing
from dropbench.report.tables.notes import whole as all_notes
from dropbench.report.tables.notes.note import as_they_are
from dropbench.report.tables.repeats import in_repeat, of_comparison, title
from dropbench.report.tables.report import Report
from dropbench.report.tables.selection import choices
from dropbench.report.tables.study_contrasts import of_study
from dropbench.report.tables.titles import comparisons
from dropbench.store import StoredPlan
from dropbench.values import order, plain


def compare(gathered: Gathered, metric: str | None, rope: str | None, beyond: bool) -> tuple[Comparison, ...]:
    """Compare the arms of each table, in natural order of the tables' titles.

    Parameters
    ----------
    gathered : Gathered
        The runs, and what is known about them.
    metric, rope : str or None
        As in `build`.
    beyond : bool
        Whether answers hold for new examples like those tested.
    """
    said = said_of(gathered) if beyond else None
    apart = in_repeat(gathered.frame)
    again = [
        _one(gathered, title(of, runs), runs, metric, rope, said, fresh=True)
        for of, runs in comparisons(gathered.frame[apart])
    ]
    others = [
        _one(gathered, name, runs, metric, rope, said, repeats=of_comparison(runs, again, gathered.known))
        for name, runs in comparisons(gathered.frame[~apart])
    ]
    if others:  # what these say of the next run, and of the whole sweep, holds for the repeats too
        again = [replace(c, diagnosis=None, further=()) for c in again]
    return tuple(sorted((*others, *again), key=lambda c: order(c.title)))


def _one(
    gathered: Gathered,
    name: str,
    runs: pd.DataFrame,
    metric: str | None,
    rope: str | None,
    said: Said | None,
    *,
    fresh: bool = False,
    repeats: tuple[Comparison, ...] = (),
) -> Comparison:
    """Compare the arms of these runs, and say what must be known about them.

    The other parameters are those of `compare` and of Comparison.
    """
    measures, plans = gathered.measures, courses.of_runs(gathered.known, runs)
    own = gathered.of_tables.get(runs["table"].iloc[0])
    wanted = list(dict.fromkeys([*([own] if own else []), *gathered.baselines]))
    arms, runs = labelled(runs, wanted)
    baselines, why = _baselines(arms, runs, wanted)
    measure = _measure(runs, measures, metric)
    outcomes = _outcomes(plans, measures, measure, runs)
    sweeps = [plan.every_run for plan in gathered.report.plans if plan.every_run]
    tuned = courses.tuned(arms, plans)
    tuned_keys = {t.arm: tuple(t.best.setting) for t in tuned if t.best is not None}
    comparison = Comparison(
        name,
        runs,
        tuple(arms),
        baselines[0].label if len(baselines) == 1 else None,
        measure,
        measures,
        rope,
        courses.level(plans, runs) / max(1, len(outcomes)),
        outcomes,
        # The arms of a repeat were chosen by other runs. Fresh seeds that chose once more would not be fresh any longer.
        () if fresh else tuple(choices(runs, arms, measure, sweeps, tuned_keys)),
        tuned,
        said=said,
        fresh=fresh,
        repeats=repeats,
    )
    about = all_notes.notes(comparison, wanted[0], [a.label for a in baselines], why, plans)
    comparison = replace(
        comparison,
        notes=tuple(n.full for n in about),
        brief=tuple(n.brief for n in about if n.brief),
        further=courses.further(comparison, plans, gathered.report.epochs),
    )
    comparison = _asked_by_study(comparison, plans, gathered.report.histories)
    return diagnosed(comparison, gathered.report)


def _asked_by_study(comparison: Comparison, plans: Sequence[StoredPlan], histories: Mapping[str, Path]) -> Comparison:
    """Add the answers to the contrasts that the comparison's study names, and notes on them."""
    answers, told = of_study(comparison, plans, courses.level(plans, comparison.runs), histories)
    notes = [n for n in as_they_are(told) if n.full not in comparison.notes]
    return replace(
        comparison,
        notes=(*comparison.notes, *(n.full for n in notes)),
        brief=(*comparison.brief, *(n.brief for n in notes if n.brief)),
        answers=answers,
    )


def _outcomes(
    plans: Sequence[StoredPlan], measures: Measures, main: Measure | None, runs: pd.DataFrame
) -> tuple[Measure, ...]:
    """Return the outcomes that the newest plan of these runs named in advance, if the verdict judges one of them."""
    named = next((plan.outcomes for plan in reversed(plans) if plan.outcomes), [])
    found = [measures.of("test", plain(name)) for name in named if f"test_{plain(name)}" in runs]
    return (main, *(m for m in found if m != main)) if main is not None and main in found else ()


def labelled(runs: pd.DataFrame, baselines: Collection[str]) -> tuple[list[Arm], pd.DataFrame]:
    """Return the arms of these runs, and the runs with the `label` of their arm, one run per arm and seed."""
    arms = name_arms(runs, baselines)
    labels = {(name, a.arm_id): a.label for a in arms for name in a.names or (None,)}
    runs = runs.assign(label=[labels[key] for key in zip(runs["name"], runs["arm_id"], strict=True)])
    return arms, runs.drop_duplicates(["label", "seed"])


def _baselines(arms: Sequence[Arm], runs: pd.DataFrame, wanted: Sequence[str]) -> tuple[list[Arm], list[str]]:
    """Return the candidates for the baseline, and a note if it has none of the wanted names."""
    if found := next((f for f in (find(arms, b) for b in wanted) if f), []):
        return found, []
    if tuple(wanted) != (NONE,):
        return [], []
    if idle := quiet(arms, runs):
        # At rate 0 all variants are the same, so the first will do, unless the regularizers beside them differ.
        first = idle[:1] if len({a.beside for a in idle}) == 1 else idle
        return first, pairing.stand_in([a.label for a in idle]) if len(first) == 1 else []
    still = unscheduled(arms, runs)
    return still, [pairing.still(a.label) for a in still]


def diagnosed(c: Comparison, report: Report) -> Comparison:
    """Add the diagnosis, that is advice on the next runs, from the configurations and histories in the report."""
    told: list[Diagnosis] = []
    if c.baseline is not None and c.measure is not None:
        configs = {label: report.configs[c.run_of(label)] for label in c.labels}
        told = diagnose(Evidence(c, c.baseline, c.measure, configs, report.histories, report.epochs))
    return replace(c, diagnosis=tuple(told))


def _measure(runs: pd.DataFrame, measures: Measures, wanted: str | None) -> Measure | None:
    """Return the measure that the verdict judges; None if the runs of this comparison have not measured it."""
    try:
        return measures.resolve(runs, wanted)
    except UsageError:
        return None

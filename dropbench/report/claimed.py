"""The claims of stored studies, each judged by the results of its runs."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import pandas as pd

from dropbench.errors import UsageError, nearest
from dropbench.report.compared import labelled
from dropbench.report.gathered import said_of, unfiltered
from dropbench.report.records.convergence import in_words
from dropbench.report.records.load import from_store
from dropbench.report.records.measures import Measure
from dropbench.report.records.plans import plans_of, roots_of
from dropbench.report.statistics import moments
from dropbench.report.statistics.contrast import Contrast, Numbers
from dropbench.report.statistics.formula import Formula
from dropbench.report.statistics.grammar import Arm, parse, scores
from dropbench.report.statistics.judged import judged
from dropbench.report.statistics.power import power_at
from dropbench.report.statistics.verdict import region
from dropbench.report.tables.arms import find
from dropbench.report.tables.binding import bound
from dropbench.report.tables.called import called, data_of, models_of
from dropbench.report.tables.claims import WITHIN, Checked, Claimed, Level, Statement, corrected, in_order
from dropbench.report.tables.comparison import Comparison
from dropbench.report.tables.factors import Factors
from dropbench.report.tables.length import trained_for
from dropbench.report.tables.planned import with_names
from dropbench.report.tables.report import Report
from dropbench.store import Store, StoredClaim, StoredPlan, StoredProgram
from dropbench.values import count, plain, written

_SETTING = ("data.n_train", "train.updates")


def claims(paths: Sequence[Path], filters: Sequence[str] = ()) -> Report:
    """Build a report on the claims that the studies of these folders test.

    filters: only `study=NAME[,NAME]`.

    Raises
    ------
    UsageError
        If no study there states a claim, and for other filters.
    """
    wanted = [name for f in filters for name in _studies(f)]
    found: list[Statement] = []
    names: dict[str, None] = {}
    for root in roots_of(paths):
        store = Store(root)
        for plan in _newest(plans_of([root])):
            names[plan.study or ""] = None
            if not wanted or plan.study in wanted:
                found += of_plan(store, plan)
    for study in wanted:
        if study not in names:
            raise UsageError(f"study={study}: no stored plan of that study states a claim; {nearest(study, names)}")
    if not found:
        raise UsageError(
            "no study here states a claim; train some, as in dropbench sweep study=claims/averaging (dropbench list studies)"
        )
    return Report((), (), (), claims=tuple(corrected(in_order(found))))


def _studies(text: str) -> list[str]:
    key, _, names = text.partition("=")
    if key != "study":
        raise UsageError(f"--claims is about whole studies: {text} cannot choose among their runs; write study=NAME")
    return names.split(",")


def _newest(plans: Sequence[StoredPlan]) -> list[StoredPlan]:
    """Return the newest plan of each study that states claims, checks or programs."""
    return list(
        {p.study: p for p in sorted(plans, key=lambda p: p.created) if p.claims or p.checks or p.programs}.values()
    )


def of_plan(store: Store, plan: StoredPlan) -> list[Statement]:
    """Return the statements of one plan, before the correction over all claims."""
    study = plan.study or ""
    checked: list[Statement] = [Checked(study, name, check) for name, check in plan.checks.items()]
    checked += [of_program(study, name, program) for name, program in plan.programs.items()]
    if not plan.claims:
        return checked
    of_runs = _comparison(store, plan, plan.every_run)
    if of_runs is None:
        why = "none of its runs is stored"
        return [*checked, *(Claimed(study, name, claim, why=why) for name, claim in plan.claims.items())]
    pilot = _pilot(plan)
    before = _comparison(store, plan, pilot) if pilot else None
    return [*checked, *(_claimed(study, name, claim, of_runs, before) for name, claim in plan.claims.items())]


def of_program(study: str, name: str, program: StoredProgram) -> Claimed:
    """Judge a program's numbers in the way of any contrast."""
    told = StoredClaim(
        says=program.says,
        contrast=program.target,
        expect=program.expect,
        number=program.number,
        note=program.note,
    )

    def judgement(values: Mapping[int, float]) -> Contrast:
        return judged([Numbers(values)], lambda label, measure: {}, program.rope)[0]

    contrast = judgement(dict(zip(program.seeds, program.values, strict=True)))
    claimed = Claimed(study, name, told, contrast=contrast, seconds=program.seconds)
    if not program.pilot:
        return claimed
    twice = 2 * program.rope if program.margin is None else program.margin
    margin = 0.0 if program.expect == WITHIN else twice
    before = judgement(dict(enumerate(program.pilot))).difference
    power = power_at(margin, program.rope, before, contrast.difference.pairs)
    return replace(claimed, margin=margin, power=power, pilot=before.pairs)


def _pilot(plan: StoredPlan) -> list[str]:
    stages = plan.course.stages if plan.course is not None else []
    return [run for stage in stages if stage.name == "pilot" for run in stage.runs]


def _comparison(store: Store, plan: StoredPlan, runs: Sequence[str]) -> tuple[Comparison, Mapping[str, Path]] | None:
    """Return some runs of a plan as one comparison, whatever they differ in, with their histories' paths; None without runs.

    A run under a seed that the plan does not compare, such as a pilot run, belongs to the arm with its setting.
    """
    gathered = unfiltered(from_store(store, [*plan.every_run, *runs]))
    frame = gathered.frame
    if frame.empty:
        return None
    ids = dict(zip(frame["run_id"], frame["arm_id"], strict=True))
    arms = {name: {ids[run] for run in of if run in ids} for name, of in plan.arms.items()}
    frame = frame[frame["run_id"].isin(runs)]
    rows = [(None, name, run) for name, of in arms.items() for run in frame["run_id"] if ids[run] in of]
    if not rows:
        return None
    arms_here, frame = labelled(with_names(frame, rows), [plain(plan.baseline)])
    baseline = next((a.label for a in find(arms_here, plain(plan.baseline))), None)
    main = gathered.measures.resolve(frame, None)
    whole = Comparison("", frame, tuple(arms_here), baseline, main, gathered.measures, said=said_of(gathered))
    return whole, gathered.report.histories


Of = tuple[Comparison, Mapping[str, Path]]


def _claimed(study: str, name: str, claim: StoredClaim, of_runs: Of, before: Of | None) -> Claimed:
    told = Claimed(study, name, claim)
    try:
        formula, contrast, whole = _judged(claim, of_runs)
        told = _rests_on(replace(told, formula=formula, contrast=contrast), formula, whole)
        if before is None:
            return told
        pilot = _judged(claim, before)[1]
    except UsageError as error:
        return replace(told, why=f"{error}.")
    size = contrast.region
    margin = 0.0 if claim.expect == WITHIN else _margin(claim, formula, whole, size)
    power = power_at(margin, size, pilot.difference, contrast.difference.pairs)
    return replace(told, margin=margin, power=power, pilot=pilot.difference.pairs)


def _judged(claim: StoredClaim, of_runs: Of) -> tuple[Formula, Contrast, Comparison]:
    """Judge one claim by its contrast. Raises UsageError for arms and measures that do not exist."""
    whole, histories = of_runs
    node = parse(claim.contrast)
    frame, words = in_words(whole.runs, whole.measures, histories, {s.measure for s in scores(node)})
    whole = replace(whole, runs=frame, _contrasts={}, _widenings={})
    formula = bound(node, Factors.of(whole), words)
    size = _size(claim.rope, formula, whole)
    known = formula.in_unit_of
    examples = 0 if known is None else whole.examples(known)
    (contrast,) = judged(
        [formula], whole.scores, size, whole.diverged, widened=whole.widened, examples=lambda _: examples
    )
    return formula, contrast, whole


def _size(typed: str | None, formula: Formula, whole: Comparison) -> float:
    """Return a size, written as for `--rope`, in the contrast's unit; for a ratio, which has no unit, it is a bare number."""
    known: Measure | None = formula.in_unit_of
    if known is not None:
        return region(typed, known, whole.done(whole.baseline or ""))
    try:
        size = float(typed or 0)
    except ValueError:
        size = math.nan
    if not 0 <= size < math.inf:
        raise UsageError(f"rope {typed} is for a ratio, which has no unit: write a number, as in 0.05")
    return size


def _margin(claim: StoredClaim, formula: Formula, whole: Comparison, size: float) -> float:
    return 2 * size if claim.margin is None else _size(claim.margin, formula, whole)


def _rests_on(told: Claimed, formula: Formula, whole: Comparison) -> Claimed:
    """Add the claim's runs, the seconds that training them took, and the settings and scores that it rests on."""
    runs = whole.runs[whole.runs["label"].isin(formula.labels)]
    seconds = float(runs["seconds"].astype(float).sum())
    levels = tuple(dict.fromkeys(_levels(formula, whole)))
    return replace(told, runs=tuple(runs["run_id"]), seconds=seconds, setting=_setting(runs), levels=levels)


def _levels(formula: Formula, whole: Comparison) -> Iterator[Level]:
    """Yield the mean and spread of each measure of each arm that the contrast names, in its order."""
    for score in scores(formula.node):
        measure = formula.measures[score.measure]
        for label in [score.arm.name] if isinstance(score.arm, Arm) else formula.candidates[score.arm]:
            known = [v for v in whole.scores(label, measure).values() if v == v]
            yield Level(label, measure, moments.mean(known), moments.sd(known), len(known))


def _setting(runs: pd.DataFrame) -> str:
    """Return what all arms share, as in `mlp on digits, n_train 300, 60 epochs` (or a number of updates)."""
    shared = {}
    for key in _SETTING:
        values = {"null" if pd.isna(v) else written(v) for v in runs[key].tolist()} if key in runs else set()
        if len(values) == 1 and (value := values.pop()) not in ("null", "None", ""):
            shared[key] = plain(value)
    n, updates = (shared.get(key) for key in _SETTING)
    one = [names[0] for names in (models_of(runs), [*called(data_of(runs)).values()]) if len(names) == 1]
    where = " on ".join(map(plain, one))
    examples = n and f"n_train {int(float(n))}"
    length = count(int(float(updates)), "update") if updates else ""
    return ", ".join(part for part in (where, examples, trained_for(runs), length) if part)

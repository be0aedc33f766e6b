"""Notes from stored plans: how the arms were tuned, how often the comparison was looked at, and which level follows."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace

import pandas as pd

from dropbench.report.records.measures import Measure
from dropbench.report.statistics import looks
from dropbench.report.statistics.interval import ALPHA
from dropbench.report.tables.arms import Arm
from dropbench.report.tables.comparison import Comparison, Diagnosis
from dropbench.report.tables.last_epoch import overtrained, unfinished, unsteady
from dropbench.report.tables.notes.note import Note, as_they_are
from dropbench.store import ADVISE, Candidate, Course, StoredPlan, Tuned
from dropbench.store.epochs import Epochs
from dropbench.values import count, number, order, spans, written

RATE = "train.lr"
"""The key to tune first: no other key changes the effect of dropout as much."""
AT_MOST = 60
"""The default limit of seeds of --until-settled."""
_FACTORS = (0.3, 1.0, 3.0, 10.0)
_SPOKEN = 6
"""The number of candidates, and of arms, that a sentence names."""


def of_runs(plans: Iterable[StoredPlan], runs: pd.DataFrame) -> list[StoredPlan]:
    """Return the plans that compare some of these runs, oldest first."""
    there = set(runs["run_id"])
    return sorted((p for p in plans if not there.isdisjoint(p.every_run)), key=lambda p: p.created)


def level(plans: Iterable[StoredPlan], runs: pd.DataFrame) -> float:
    """Return the level at which these runs are judged: that of the last look, if a plan with several looks has all of them."""
    return min((_level(course) for course, _ in _looked(plans, runs)), default=ALPHA)


def tuned(arms: Iterable[Arm], plans: Iterable[StoredPlan]) -> tuple[Tuned, ...]:
    """Return the arms that were tuned, each under the label that it has here."""
    found = {t.arm_id: t for p in plans if p.course for t in p.course.tuned if t.best is not None}
    return tuple(replace(found[arm.arm_id], arm=arm.label) for arm in arms if arm.arm_id in found)


def notes(comparison: Comparison, plans: Sequence[StoredPlan]) -> list[Note]:
    """Return the notes of a comparison. plans: the plans of its runs."""
    runs = comparison.runs
    return [*_tuned(comparison, plans), *as_they_are([*_edges(comparison.tuned, plans), *_several_looks(plans, runs)])]


def further(comparison: Comparison, plans: Sequence[StoredPlan], epochs: Mapping[str, Epochs]) -> tuple[Diagnosis, ...]:
    """Return warnings about the sweep, each with the options that avoid the problem.

    plans: the plans of the runs. epochs: what is known of each run's history, by run id.
    """
    fixed = comparison.tuned or any(p.course is not None and p.course.rule.pilot for p in plans)
    tested = (*overtrained(comparison), *unfinished(comparison), *unsteady(comparison, epochs))
    return (*_again(comparison, plans), *tested, *([] if fixed else _untuned(comparison)))


def _tuned(comparison: Comparison, plans: Iterable[StoredPlan]) -> Iterator[Note]:
    """Say under which seeds and by which score the arms were tuned, and the scores of the first arms' candidates."""
    arms = comparison.tuned
    if not arms:
        return
    chosen = {t.arm_id for t in arms}
    courses = [p.course for p in plans if p.course and not chosen.isdisjoint(t.arm_id for t in p.course.tuned)]
    seeds = {seed for course in courses for seed in course.rule.tuning_seeds}
    measure = comparison.measures.read(arms[0].measure)
    parts = []
    for tuned in arms[:_SPOKEN]:
        scores = [f"{_values(c.setting)}: {_outcome(c, measure)}" for c in tuned.candidates]
        of = f" ({', '.join(scores)})" if 1 < len(scores) <= _SPOKEN else f", {_of_many(tuned)}"
        parts.append(f"{tuned.arm}, {_best(tuned)}{of if len(scores) > 1 else ', the only setting tried'}")
    rest = f"; and {count(len(arms) - _SPOKEN, 'arm')} more, see --format json" if len(arms) > _SPOKEN else ""
    unit = ", %," if measure.in_percent else ""
    under = f"under seeds {spans(sorted(seeds))}, which no number above includes"
    yield Note(
        f"Each arm ran at its own best setting, chosen by mean {measure.spoken}{unit} {under}: {'; '.join(parts)}{rest}.",
        f"Each arm ran at its own best setting, chosen by {measure.spoken} {under}.",
    )
    yield from as_they_are(_no_best(arms))
    yield from as_they_are(_left_out(courses, {name for arm in comparison.arms for name in (*arm.names, arm.label)}))


def _best(tuned: Tuned) -> str:
    return "" if tuned.best is None else _setting(tuned.best.setting)


def _of_many(tuned: Tuned) -> str:
    n = len(tuned.candidates)
    return f"the first of {n}, all of which diverged" if tuned.all_diverged else f"the best of {n}"


def _outcome(candidate: Candidate, measure: Measure) -> str:
    if candidate.failed:
        return f"{candidate.failed} of {candidate.runs + candidate.failed} failed"
    if candidate.diverged:
        return f"{candidate.diverged} of {candidate.runs} diverged"
    return "not measured" if candidate.score is None else measure.level(candidate.score)


def _no_best(arms: Iterable[Tuned]) -> Iterator[str]:
    """Say for which arms several settings were equally good, and how the tie was broken."""
    diverged = [t for t in arms if t.all_diverged]
    if diverged:
        lower = {c.setting[RATE] for t in diverged for c in t.candidates if RATE in c.setting}
        hint = f"; try values of {RATE} below {written(min(lower))}" if len(lower) > 1 else ""
        yield f"Every setting that was tried diverged, so no setting is better than another: {_names(diverged)}{hint}."
    if equal := [t for t in arms if t.equals]:
        yield (
            f"Other settings scored the same as the chosen one: {_names(equal)}. In that case the smaller validation loss "
            "decides, and after it the order in which the settings were typed."
        )


def _left_out(courses: Iterable[Course], there: Collection[str | None]) -> Iterator[str]:
    """Name the arms that tuning left without a setting. there: arms that are compared anyway, from other runs."""
    lost = {t.arm: t for course in courses for t in course.tuned if t.best is None and t.arm not in there}
    if lost:
        yield f"Left out, since every tuning run failed: {_names(list(lost.values()))}."


def why_nothing(plans: Iterable[StoredPlan]) -> str:
    """Say why a plan with tuning has nothing to compare: it is not finished, or its baseline or all arms but one failed."""
    lost = [t for p in plans if p.course and p.course.ended for t in p.course.tuned if t.best is None]
    if not lost:
        return "it is not finished, so there is nothing to compare yet; type its sweep command again to go on"
    bases = [t for t in lost if t.baseline]
    what = f"{_names(bases)}, the baseline," if bases else _names(lost)
    return f"every run of {what} failed, so there is nothing to compare; type its sweep command again to retry them"


def _names(arms: Sequence[Tuned]) -> str:
    more = f" and {len(arms) - _SPOKEN} more" if len(arms) > _SPOKEN else ""
    return ", ".join(tuned.arm for tuned in arms[:_SPOKEN]) + more


def _edges(arms: Iterable[Tuned], plans: Iterable[StoredPlan]) -> Iterator[str]:
    """Warn if the best value is the smallest or the largest that was tried, and name a value beyond it."""
    edges = [(tuned, e) for tuned in arms for e in tuned.edges]
    found = [
        f"{tuned.arm}, {e.key}={written(e.value)}, the {e.end} (try {written(e.beyond)} too)" for tuned, e in edges
    ]
    if found:
        beyond = edges[0][1]
        again = "more values"
        if any(plan.study == ADVISE for plan in plans):  # which chooses the values by itself
            again = f"{beyond.key}={written(beyond.beyond)}, around which it tries three values"
        rest = f"; and {len(found) - _SPOKEN} more" if len(found) > _SPOKEN else ""
        yield (
            f"The best value is at the edge of those tried, so a better one may lie beyond: {'; '.join(found[:_SPOKEN])}{rest}"
            f". Type the same command with {again}."
        )


def _several_looks(plans: Iterable[StoredPlan], runs: pd.DataFrame) -> Iterator[str]:
    """Say how often the results were looked at, and which level the last look has."""
    for course, later in _looked(plans, runs)[-1:]:
        besides = [n for n in course.looks if n not in course.rule.looks]
        stopped = f" (after {_listed(besides)} because the command was stopped there)" if besides else ""
        yield (
            f"The results were looked at after {_listed(course.looks)} of at most {course.rule.looks[-1]} seeds{stopped}. "
            f"Verdicts and intervals use the level of this look, {_level(course):.2g} instead of {ALPHA:.2g}, so that all "
            "looks together err no more often than a single look would."
        )
        if later:
            yield (
                "Runs under further seeds are in no number before the next look, so that reading this report is not a look "
                "of its own. Type the command again to train what is left and look again."
            )


def _again(comparison: Comparison, plans: Sequence[StoredPlan]) -> Iterator[Diagnosis]:
    """Warn if plans of the same arms with fewer seeds are stored: someone may have looked at each of them."""
    runs = comparison.runs
    if not (runs["status"] == "completed").any():  # there is no number that somebody could have seen
        return
    arms, seeds = set(runs["arm_id"]), set(runs["seed"])
    sizes = set()
    for plan in plans:
        of_plan = runs[runs["run_id"].isin(plan.every_run)]
        if set(of_plan["arm_id"]) == arms and set(of_plan["seed"]) < seeds:
            sizes.add(of_plan["seed"].nunique())
    if sizes and not _looked(plans, runs):
        most = ("--at-most", str(len(seeds))) if len(seeds) > AT_MOST else ()
        yield Diagnosis(
            "seeds were added",
            tuple(comparison.labels),
            f"The same arms were planned before with {' and '.join(map(str, sorted(sizes)))} of these {len(seeds)} seeds. "
            "Adding seeds until there is a winner finds too many winners.",
            "--until-settled corrects for each look",
            options=("--until-settled", *most),
        )


def _untuned(comparison: Comparison) -> Iterator[Diagnosis]:
    """Warn if all arms ran at one learning rate that was not tuned for any of them."""
    runs = comparison.runs
    values = {written(v): v for v in runs[RATE].tolist()} if RATE in runs else {}
    if len(values) != 1 or comparison.baseline is None or len(comparison.arms) < 2:
        return
    if not (runs["status"] == "completed").any():  # there is nothing that could help
        return
    rate = number(next(iter(values.values())))
    if not rate:
        return
    grid = ",".join(f"{rate * factor:.2g}" for factor in _FACTORS)
    yield Diagnosis(
        "not tuned",
        tuple(comparison.labels),
        f"All arms ran at {RATE}={written(rate)}, which was not tuned for any of them here; what helps at one learning rate "
        "may harm at another.",
        "--tune finds the best value for each arm",
        options=("--tune", f"{RATE}={grid}"),
    )


def _looked(plans: Iterable[StoredPlan], runs: pd.DataFrame) -> list[tuple[Course, bool]]:
    """Return the courses of plans that look several times and have all of these runs, and whether more wait for a look."""
    there = set(runs["run_id"])
    several = (
        (p, p.course) for p in plans if p.course is not None and len({*p.course.rule.looks, *p.course.looked}) > 1
    )
    return [(course, bool(plan.later)) for plan, course in several if there <= set(plan.every_run)]


def _level(course: Course) -> float:
    """Return the level of the last look that was taken, after those that were taken before it."""
    return looks.level(course.looks, course.rule.looks[-1])


def _listed(numbers: Sequence[int]) -> str:
    return ", ".join(map(str, numbers))


def _setting(setting: dict[str, object]) -> str:
    return " ".join(
        f"{key}={written(value)}" for key, value in sorted(setting.items(), key=lambda pair: order(pair[0]))
    )


def _values(setting: dict[str, object]) -> str:
    return " ".join(written(value) for _, value in sorted(setting.items(), key=lambda pair: order(pair[0])))

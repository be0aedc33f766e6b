"""Advice from a comparison in three paragraphs: what to do, how sure that is or what is missing, and what else to know."""

from __future__ import annotations

import math
from collections.abc import Collection
from dataclasses import dataclass, replace
from typing import Literal

from dropbench.report.statistics import moments
from dropbench.report.statistics.contrast import Contrast
from dropbench.report.statistics.interval import ALPHA, MIN_PAIRS
from dropbench.report.tables.beside import Beside, better_beside, worse_beside
from dropbench.report.tables.collapsed import constant as constant_arms
from dropbench.report.tables.comparison import Comparison
from dropbench.report.tables.enough import Budget, needed
from dropbench.report.tables.majority import balanced, no_arm_learned
from dropbench.values import count, written

Decision = Literal["use", "leave", "unknown"]
_SPOKEN = 3


@dataclass(frozen=True)
class Advice:
    """What to do, and why.

    Parameters
    ----------
    decision : str
        `use` the arm, `leave` dropout out, or `unknown`.
    arm : str
        The arm to use now.
    run : str
        The id of one of its runs.
    sentences : tuple of str
        The advice; how sure it is, or what it would take to know; and what else to know.
    beside : Beside or None
        A difference on another measure than the one that decided, of which the last sentence tells.
    next : str
        What to type now to settle an open question, in a few words; empty if it is settled.
    """

    decision: Decision
    arm: str
    run: str
    sentences: tuple[str, str, str]
    beside: Beside | None = None
    next: str = ""


def advice(comparison: Comparison, what: str, budget: Budget, own: Collection[str] = ()) -> Advice | None:
    """Return advice from the verdicts of a comparison; None if nothing was compared.

    An arm is recommended if it is confirmed to be better; of several, the one that is best on validation data. Dropout is left
    out if an improvement beyond the region is excluded for every arm.

    Parameters
    ----------
    comparison : Comparison
        No dropout and other arms.
    what : str
        The model and data that the advice is about.
    budget : Budget
        How many seeds the command has, and whether some are left to train.
    own : collection of str
        The ids of the arms that are the user's network with the dropout that it was written with.
    """
    if (found := _decided(comparison, budget)) is None:
        return None
    first, how, else_to_know = found.sentences
    told = _as_written(comparison, f"{first} {how}", own)
    reserved = _joined(_at_edge(comparison), _looks(comparison))
    scope = f"This answer is for {what}; another model or more data may need a different answer."
    return replace(found, sentences=(first, how, _joined(told, else_to_know, reserved, scope)))


def _decided(comparison: Comparison, budget: Budget) -> Advice | None:
    """Return the advice, without what does not depend on the decision."""
    c, verdicts = comparison, comparison.verdicts
    if c.baseline is None or c.measure is None or not verdicts or c.done(c.baseline).empty:
        return None
    better = [a for a, v in verdicts.items() if v.confirmed and v.direction == "better"]
    excluded = [a for a, v in verdicts.items() if v.not_better]
    constant = constant_arms(c.runs, [c.baseline, *verdicts]) if c.measure.metric == "accuracy" else {}
    if useful := [a for a in better if a not in constant]:
        return _use(c, max(useful, key=lambda a: _validated(c, a)))
    if empty := [a for a in (*better, c.baseline) if a in constant]:
        return _one_class(c, empty[0], constant[empty[0]])
    if len(excluded) == len(verdicts):
        return _leave(c)
    return _unknown(c, [a for a in verdicts if a not in excluded], budget)


def _use(c: Comparison, arm: str) -> Advice:
    told, beside = c.verdicts[arm], worse_beside(c, arm)
    return Advice(
        "use",
        arm,
        c.run_of(arm),
        (
            f"Use {arm}: {_levels(c, arm)}.",
            f"How sure: {told} under {_seeds(told)}, more than the {_region(told)} that matter; confirmed, with "
            f"{count(len(c.verdicts), 'arm')} tried.",
            _joined(_worth(c), _but(beside), _others(c, arm)),
        ),
        beside,
    )


def _one_class(c: Comparison, arm: str, seeds: str) -> Advice:
    """Return advice where accuracy says nothing, because this arm has it from giving all test examples one class."""
    base = str(c.baseline)
    has = f"{arm} has {c.verdicts[arm]}, but it" if arm in c.verdicts else arm
    typed, report = balanced(c.runs), "dropbench report study=advise --metric balanced_accuracy"
    add = "" if typed.startswith("--") else f"add {typed} to the same command, and then "
    return Advice(
        "unknown",
        base,
        c.run_of(base),
        (
            f"Cannot tell by accuracy: {has} gives all test examples the same class in {seeds}, so its accuracy is only the "
            "share of that class.",
            f"What it would take: a measure that counts each class alike; {add}type {report}.",
            _joined(f"Until then {c.base} is the simpler choice.", _but(better_beside(c))),
        ),
        better_beside(c),
        f"{add}type {report}",
    )


def _leave(c: Comparison) -> Advice:
    base = str(c.baseline)
    told, beside = max(c.verdicts.values(), key=_gain), better_beside(c)
    sign = ", where plus is worse" if told.measure.direction < 0 else ""
    return Advice(
        "leave",
        base,
        c.run_of(base),
        (
            f"Don't bother: in {_spoken(c)} no dropout that was tried is better than {c.base} by at least the {_region(told)} "
            "that matter.",
            f"How sure: the best of {count(len(c.verdicts), 'arm')}, {_name(told)}, has {told} under {_seeds(told)}{sign}.",
            _joined(_worth(c), _but(beside), _others(c, _name(told))),
        ),
        beside,
    )


def _unknown(c: Comparison, left: list[str], budget: Budget) -> Advice:
    arm = max(left, key=lambda a: _gain(c.verdicts[a]))
    told, beside = c.verdicts[arm], better_beside(c)
    base = str(c.baseline)
    need = needed(told, arm, budget)
    best = f"in {_spoken(c)} the best that was tried, {arm}, has {told} under {_seeds(told)}"
    if not told.difference.n:
        best = f"no seed has finished both with {c.base} and with another arm"
    return Advice(
        "unknown",
        base,
        c.run_of(base),
        (
            _joined(f"Cannot tell yet: {best}; a difference of {_region(told)} would matter.", _ruled_out(c)),
            f"What it would take: {need.says}.",
            _joined(_worth(c), f"Until then {c.base} is the simpler choice.", _but(beside)),
        ),
        beside,
        need.next,
    )


def _ruled_out(c: Comparison) -> str:
    """Return a sentence on how large no arm's improvement is, from the arms' intervals, which hold together; or nothing."""
    gains, measure = [], c.measure
    assert measure is not None
    direction = measure.direction
    for told in c.verdicts.values():
        d = told.difference
        gain = direction * (d.high if direction > 0 else d.low)
        if d.finished < MIN_PAIRS or d.diverged or not direction or not math.isfinite(gain):
            return ""
        gains.append(gain)
    arms = "it is" if len(gains) == 1 else f"any of the {len(gains)} arms is"
    largest = f"{measure.difference(max(gains)).removeprefix('+')} {measure.points}".rstrip()
    return f"Ruled out already: that {arms} better by more than {largest}."


def _but(beside: Beside | None) -> str:
    """Return a sentence on a difference in another measure; empty without one."""
    return f"But {beside.says}." if beside else ""


def _spoken(c: Comparison) -> str:
    """Return the measure in words, with its better direction unless its name says that: `test rmse (lower is better)`."""
    assert c.measure is not None
    return c.measure.spoken + (" (lower is better)" if c.measure.direction < 0 else "")


def _joined(*sentences: str) -> str:
    return " ".join(sentence for sentence in sentences if sentence)


def _gain(told: Contrast) -> float:
    mean = told.measure.direction * told.difference.mean
    return mean if mean == mean else float("-inf")


def _validated(c: Comparison, arm: str) -> float:
    """Return the mean validation score, negated if lower is better."""
    assert c.measure is not None
    score = moments.mean(c.scores(arm, c.measure.on("val")).values())
    return c.measure.direction * score if score == score else float("-inf")


def _levels(c: Comparison, arm: str) -> str:
    m = c.measure
    assert m is not None
    # Over the seeds that both arms have, so that the two levels differ by the difference that is told with them.
    shared = c.verdicts[arm].values or c.scores(arm, m)
    scores = [[v for seed, v in c.scores(a, m).items() if seed in shared] for a in (arm, str(c.baseline))]
    with_it, without = map(moments.mean, scores)
    unit = " %" if m.in_percent else ""
    return f"{m.spoken} {m.level(with_it)}{unit} instead of {m.level(without)}{unit}"


def _seeds(told: Contrast) -> str:
    return count(told.difference.n, "paired seed")


def _region(told: Contrast) -> str:
    return told.measure.size(told.region)


def _name(told: Contrast) -> str:
    return str(getattr(told.expression, "arm", "it"))


def _others(c: Comparison, arm: str) -> str:
    said = [f"{a} {v.verdict}" for a, v in c.verdicts.items() if a != arm]
    more = f" and {len(said) - _SPOKEN} more" if len(said) > _SPOKEN else ""
    return f"Of the others: {', '.join(said[:_SPOKEN])}{more}." if said else ""


def _as_written(c: Comparison, said: str, own: Collection[str]) -> str:
    """Return a sentence on how the user's network does as it was written; or nothing. said: what is said already."""
    arm = next((a for a in c.arms if a.arm_id in own and a.label in c.verdicts), None)
    if arm is None:
        return ""
    told, network = c.verdicts[arm.label], "Your network as written"
    if f" {arm.label}" in said:
        return f"{network} is the arm {arm.label}{'' if arm.label == arm.dropout else f' ({arm.dropout})'}."
    if not told.difference.n:
        return ""
    return f"{network} ({arm.dropout}) has {told} against {c.base} under {_seeds(told)}: {told.verdict}."


def _at_edge(c: Comparison) -> str:
    """Return a sentence if a setting that was tuned would perhaps have gone on beyond the values that were tried."""
    arms = [t for t in c.tuned if t.edges]
    if not arms:
        return ""
    edge = next((t for t in arms if t.arm == c.baseline), arms[0]).edges[0]
    which = "all arms" if len(arms) == len(c.arms) > 1 else ", ".join(t.arm for t in arms[:_SPOKEN])
    beyond = f"{edge.key}={written(edge.beyond)}"
    return f"The best {edge.key} of {which} is at the edge of those tried; with {beyond} it tries others."


def _looks(c: Comparison) -> str:
    """Return why the intervals are wider than 95 % ones; empty if they are not."""
    usual = c.alpha >= ALPHA
    return "" if usual else "Intervals are wider than 95 % ones, to allow for looking at the results several times."


def _worth(c: Comparison) -> str:
    """Return a sentence if no arm has learned more than which class is the most frequent; or nothing."""
    assert c.measure is not None
    return no_arm_learned(c) if c.measure.metric == "accuracy" else ""

"""Advice from a comparison in three sentences: use this, don't bother, or cannot tell yet and what it would take."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from dropbench.report.statistics import moments
from dropbench.report.statistics.contrast import Contrast
from dropbench.report.tables.comparison import Comparison
from dropbench.values import count

Decision = Literal["use", "leave", "unknown"]
_SPOKEN = 3
_MANY = 1000


@dataclass(frozen=True)
class Advice:
    """decision: `use` the arm, `leave` dropout out, or `unknown`. arm: the arm to use now. run: the id of one of its runs."""

    decision: Decision
    arm: str
    run: str
    sentences: tuple[str, str, str]


def advice(comparison: Comparison, what: str) -> Advice | None:
    """Return advice from the verdicts of a comparison; None if nothing was compared.

    An arm is recommended if it is confirmed to be better; of several, the one that is best on validation data. Dropout is left
    out if an improvement beyond the region is excluded for every arm. what: the model and data that the advice is about.
    """
    c, verdicts = comparison, comparison.verdicts
    if c.baseline is None or c.measure is None or not verdicts or c.done(c.baseline).empty:
        return None
    better = [a for a, v in verdicts.items() if v.confirmed and v.direction == "better"]
    excluded = [a for a, v in verdicts.items() if v.not_better]
    if better:
        return _use(c, max(better, key=lambda a: _validated(c, a)), what)
    if len(excluded) == len(verdicts):
        return _leave(c, what)
    return _unknown(c, [a for a in verdicts if a not in excluded], what)


def _use(c: Comparison, arm: str, what: str) -> Advice:
    told = c.verdicts[arm]
    return Advice(
        "use",
        arm,
        c.run_of(arm),
        (
            f"Use {arm}: {_levels(c, arm)}.",
            f"How sure: {told} under {_seeds(told)}, more than the {_region(told)} that matter; confirmed, with "
            f"{count(len(c.verdicts), 'arm')} tried.",
            f"{_others(c, arm)} {_scope(what)}",
        ),
    )


def _leave(c: Comparison, what: str) -> Advice:
    base = str(c.baseline)
    told = max(c.verdicts.values(), key=_gain)
    return Advice(
        "leave",
        base,
        c.run_of(base),
        (
            f"Don't bother: no dropout that was tried is better than {base} by at least the {_region(told)} that matter.",
            f"How sure: the best of {count(len(c.verdicts), 'arm')}, {_name(told)}, has {told} under {_seeds(told)}.",
            f"{_others(c, _name(told))} {_scope(what)}",
        ),
    )


def _unknown(c: Comparison, left: list[str], what: str) -> Advice:
    arm = max(left, key=lambda a: _gain(c.verdicts[a]))
    told = c.verdicts[arm]
    base = str(c.baseline)
    need = told.seeds_needed
    more = (
        f"about {need.even:,.0f} seeds in all would settle it with an even chance"
        if told.difference.n < need.even < _MANY
        else "too many seeds to train: so small a difference is lost in the variation between seeds and examples"
    )
    return Advice(
        "unknown",
        base,
        c.run_of(base),
        (
            f"Cannot tell yet: the best that was tried, {arm}, has {told} under {_seeds(told)}; a difference of "
            f"{_region(told)} would matter.",
            f"What it would take: {more}.",
            f"Until then {base} is the simpler choice. {_scope(what)}",
        ),
    )


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
    with_it, without = (moments.mean(c.scores(a, m).values()) for a in (arm, str(c.baseline)))
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


def _scope(what: str) -> str:
    return f"This answer is for {what}; another model or more data may need a different answer."

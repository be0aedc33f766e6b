"""The facts of a comparison in four boxes: the best arm, how sure that is, what to avoid, and what it cost."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from dropbench.report.statistics.contrast import Contrast
from dropbench.report.statistics.interval import MIN_PAIRS, confidence
from dropbench.report.statistics.verdict import SAME, UNTOLD
from dropbench.report.tables.collapsed import counted, unlearned
from dropbench.report.tables.columns import ABSENT, or_absent, seeds_to_confirm
from dropbench.report.tables.comparison import Comparison
from dropbench.report.tables.repeats import fresh_seeds, under_fresh_seeds
from dropbench.report.tables.summary import Level
from dropbench.values import count

UPWARDS, DOWNWARDS = ("better", "higher"), ("worse", "lower")
MINUS = "\N{MINUS SIGN}"


@dataclass(frozen=True)
class Fact:
    """One of the four boxes: its topic, the answer in a word or two, and a line of detail."""

    name: str
    value: str
    detail: str


def facts(c: Comparison) -> tuple[Fact, ...]:
    """Return the facts of any comparison; of one without a verdict only what it cost."""
    return (*_judged(c, under_fresh_seeds(c)), _cost(c))


def signed(text: str) -> str:
    """Replace hyphens by true minus signs, as they are printed."""
    return text.replace("-", MINUS)


def size(contrast: Contrast) -> str:
    """Return the mean difference with its unit: `+1.04 points`."""
    unit = contrast.measure.points or contrast.measure.declared.unit
    return f"{signed(or_absent(contrast.measure.difference, contrast.difference.mean))} {unit}".rstrip()


def limits(contrast: Contrast) -> str:
    """Return the interval, `−1.12 to +3.07`; empty without an interval, and if it excludes nothing."""
    low, high = contrast.difference.low, contrast.difference.high
    if math.isnan(low) or math.isnan(high) or (math.isinf(low) and math.isinf(high)):
        return ""
    return signed(f"{contrast.measure.difference(low)} to {contrast.measure.difference(high)}")


def ranked(contrasts: Mapping[str, Contrast]) -> list[str]:
    """Return the labels, the best mean first (the highest, if neither direction is better), and those without a mean last."""

    def merit(label: str) -> float:
        mean = contrasts[label].difference.mean
        return -math.inf if math.isnan(mean) else (contrasts[label].measure.direction or 1) * mean

    return sorted(contrasts, key=merit, reverse=True)


def leader(c: Comparison, among: Sequence[str]) -> str:
    """Return the arm to name first: the best one, passing over arms of whose family validation chose another arm.

    The best test score of many arms is partly luck; the arm that validation chose is not picked by that luck. among: labels,
    the best first.
    """
    passed_over = {label for choice in c.choices for label in choice.of if label != choice.chosen}
    return next((label for label in among if label not in passed_over), among[0])


def chosen_among_several(c: Comparison, label: str) -> bool:
    """Return whether the validation score chose this arm from several, so that fresh seeds have to confirm it."""
    return any(choice.chosen == label and len(choice.of) > 1 for choice in c.choices)


def has_learned_nothing(c: Comparison) -> bool:
    """Return whether the baseline has learned next to nothing in most of its seeds."""
    done = counted(c.runs_of(str(c.baseline)))
    return bool(unlearned(done).sum() > len(done) / 2)


def no_gain(c: Comparison) -> bool:
    """Return whether an improvement that matters is excluded for every arm, whether or not a loss is."""
    return bool(c.verdicts) and all(contrast.not_better for contrast in c.verdicts.values())


def region_of(c: Comparison) -> str:
    """Return the size of the largest difference that is too small to matter: `0.2 points`."""
    first = next(iter(c.verdicts.values()))
    return first.measure.size(first.region)


def _judged(c: Comparison, again: Mapping[str, Contrast]) -> list[Fact]:
    """Return the facts on the best arm, how sure that is, and what to avoid. again: what fresh seeds say of chosen arms."""
    told = [label for label in ranked(c.verdicts) if c.verdicts[label].direction]
    if not told or c.measure is None:
        return []
    ups = [label for label in told if c.verdicts[label].direction in UPWARDS]
    sure = [label for label in ups if c.verdicts[label].confirmed]
    if not ups and has_learned_nothing(c):
        return _too_early(c)
    held = [label for label in ranked(again) if again[label].confirmed and again[label].direction in UPWARDS]
    # Where no arm is ahead nothing is claimed of any, so it is about the one with the best mean, whichever validation chose.
    undecided = next((label for label in told if label in again), told[0])
    first = held[0] if held else leader(c, sure or ups) if ups else undecided
    if first in again:
        return [
            _held(c, first, again[first]),
            _sure(again[first], c.alpha, len(again), first, fresh_seeds(c)),
            _avoid(c, told),
        ]
    open_loss = no_gain(c) and not c.verdicts[first].confirmed
    sure_of = _excluded(c, first) if open_loss else _sure(c.verdicts[first], c.alpha, len(c.verdicts), first)
    settled = sum(c.verdicts[label].confirmed for label in told)
    if sure_of.value == "confirmed" and chosen_among_several(c, first):
        sure_of = Fact(sure_of.name, "confirmed by these seeds", f"{sure_of.detail}; fresh seeds were not asked yet")
    if settled and sure_of.value == "cannot tell":
        sure_of = Fact(sure_of.name, f"{settled} of {count(len(told), 'arm')} confirmed", sure_of.detail)
    return [_best(c, first, bool(ups)), sure_of, _avoid(c, told)]


def _too_early(c: Comparison) -> list[Fact]:
    """Return the facts where the baseline has learned next to nothing: no arm is best, and nothing is sure."""
    base, measure = _level(c, c.baseline), c.measure
    level = "" if measure is None or math.isnan(base.mean) else f"{measure.level(base.mean)} {measure.unit}".rstrip()
    return [
        Fact(
            "Best",
            "nothing yet",
            f"the baseline ({c.base}) has learned next to nothing{f' ({level})' if level else ''}",
        ),
        Fact(
            "How sure",
            "too early",
            "what an arm adds to a network that has not learned says nothing about other networks",
        ),
    ]


def _held(c: Comparison, first: str, contrast: Contrast) -> Fact:
    """Return the fact on the best arm if it was chosen and then compared again; fresh seeds do not flatter it."""
    name = "Highest" if not contrast.measure.direction else "Best"
    between = f" ({limits(contrast)})" if limits(contrast) else ""
    return Fact(name, first, f"{size(contrast)}{between} against {c.base} under fresh seeds, which did not choose it")


def _best(c: Comparison, first: str, ahead: bool) -> Fact:
    contrast, measure = c.verdicts[first], c.measure
    assert measure is not None
    name = "Highest" if not measure.direction else "Best"
    sign = measure.direction or 1
    if not ahead and not sign * contrast.difference.mean > 0:
        base = _level(c, c.baseline)
        level = f"{measure.level(base.mean)} {measure.unit}".rstrip() if not math.isnan(base.mean) else ""
        return Fact(name, c.base, f"{level}; no arm has a better mean" if level else "no arm has a better mean")
    chosen = {choice.chosen: choice.word for choice in c.choices}
    how = f" (its {chosen[first]} was chosen by the validation score, not by this one)" if first in chosen else ""
    between = f" ({limits(contrast)})" if limits(contrast) else ""
    told = f"{size(contrast)}{between} against {c.base}{how}"
    if not ahead and contrast.direction == UNTOLD:
        return Fact(name, "not known", f"{first} has {told}, which may be chance")
    return Fact(name, first, told)


def _sure(contrast: Contrast, alpha: float, among: int, first: str, fresh: str = "") -> Fact:
    """Return how sure the verdict on an arm is. among: the number of arms judged together. fresh: the seeds, if fresh ones."""
    d, name = contrast.difference, "How sure"
    seeds = f"{count(d.n, 'fresh seed' if fresh else 'seed')}"
    if contrast.confirmed:
        holds = f"the {confidence(alpha)} interval" + (f", which holds {at_once(among)}," * (among > 1))
        where = f"{'within' if contrast.direction == SAME else 'beyond'} ±{contrast.measure.size(contrast.region)}"
        why = "by rank, since seeds diverged" if d.diverged else f"{holds} lies {where}"
        return Fact(name, "confirmed", f"seeds {fresh}: {why}" if fresh else why)
    value = "cannot tell" if contrast.direction == UNTOLD else "not confirmed"
    if d.n < MIN_PAIRS:
        has = f"{first} has {seeds}" if among > 1 else seeds
        return Fact(name, value, f"{has}; nothing is confirmed with fewer than {MIN_PAIRS}")
    needed = seeds_to_confirm(contrast.seeds_needed)
    more = f"; it would take {needed} to settle it" if needed != ABSENT else ""
    return Fact(name, value, f"{seeds} leave {first} open{more}")


def _excluded(c: Comparison, first: str) -> Fact:
    """Return how sure it is that no arm is better, where a gain is excluded and a loss is not."""
    of = "the interval of every arm" if len(c.verdicts) > 1 else f"its {c.verdicts[first].sure} interval"
    return Fact(
        "How sure", "a gain is excluded", f"{of} ends before a gain of {region_of(c)}; whether there is a loss is open"
    )


def _avoid(c: Comparison, told: Sequence[str]) -> Fact:
    downs = [label for label in told if c.verdicts[label].direction in DOWNWARDS]
    if not downs:
        return Fact("Avoid", "nothing", f"no arm is shown to do worse than {c.base}")
    sure = sum(c.verdicts[label].confirmed for label in downs)
    value = downs[0] if len(downs) == 1 else f"{len(downs)} of {count(len(told), 'arm')}"
    kind = "confirmed" if sure == len(downs) else "not confirmed" if not sure else f"{sure} of them confirmed"
    return Fact("Avoid", value, f"{_spread([c.verdicts[label] for label in downs], c.base)}; {kind}")


def _spread(contrasts: Sequence[Contrast], baseline: str | None) -> str:
    """Return the range of the means, `−2.7 to −15.8 points against no dropout`; if none has a mean, how many seeds diverged."""
    known = [k for k in contrasts if not math.isnan(k.difference.mean)]
    if not known:
        return f"{contrasts[0].how_lost} under {count(max(k.difference.diverged for k in contrasts), 'seed')}"
    least = signed(known[0].measure.difference(known[0].difference.mean))
    return f"{f'{least} to ' * (len(known) > 1)}{size(known[-1])} against {baseline}"


def at_once(arms: int) -> str:
    """Say for how many arms an interval holds: `for both arms at once`, `for all 6 arms at once`."""
    return "for both arms at once" if arms == 2 else f"for all {arms} arms at once"


def _cost(c: Comparison) -> Fact:
    seconds = float(c.runs["seconds"].astype(float).sum())
    devices = sorted({str(d) for d in c.runs["device"].tolist()})
    ended = [f"{n} {what}" for what in ("failed", "diverged") if (n := int((c.runs["status"] == what).sum()))]
    # A run's seconds are its share of its process's time, so the sum is more than what the clock said of several at once.
    told = f"{duration(seconds)} of training on {', '.join(devices)}, added up over all processes"
    return Fact("Cost", count(len(c.runs), "run"), "; ".join([told, *ended]))


def duration(seconds: float) -> str:
    """Return a duration as text: `37 s`, `12 min`, `3.5 h`."""
    if seconds < 99.5:
        return f"{seconds:.2g} s"
    return f"{seconds / 60:,.0f} min" if seconds < 5400 else f"{seconds / 3600:,.1f} h"


def _level(c: Comparison, label: str | None) -> Level:
    levels = next((s.levels for s in c.summaries if s.arm.label == label), {})
    return levels.get(c.measure, Level()) if c.measure is not None else Level()

"""The finding of a comparison in one screen: a heading, a sentence on what was run, and four facts."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from dropbench.identity import object_of
from dropbench.report.statistics.contrast import Contrast
from dropbench.report.statistics.interval import MIN_PAIRS, confidence
from dropbench.report.statistics.verdict import SAME, UNTOLD
from dropbench.report.tables.called import called, data_of, models_of
from dropbench.report.tables.collapsed import counted, unlearned
from dropbench.report.tables.columns import ABSENT, or_absent, seeds_to_confirm
from dropbench.report.tables.comparison import Comparison
from dropbench.report.tables.length import trained_for
from dropbench.report.tables.population import EXAMPLES, about
from dropbench.report.tables.repeats import fresh_seeds, under_fresh_seeds
from dropbench.report.tables.summary import Level
from dropbench.values import count, written

UPWARDS, DOWNWARDS = ("better", "higher"), ("worse", "lower")
MINUS = "\N{MINUS SIGN}"


@dataclass(frozen=True)
class Fact:
    """One of the four boxes: its topic, the answer in a word or two, and a line of detail."""

    name: str
    value: str
    detail: str


@dataclass(frozen=True)
class Finding:
    """The result; heading: what was found; setting: what was run; facts: the best arm, how sure, what to avoid, the cost."""

    heading: str
    setting: str
    facts: tuple[Fact, ...]


def finding(c: Comparison) -> Finding:
    """Return the finding of any comparison, including one without a verdict."""
    again = under_fresh_seeds(c)
    beside = f"; under fresh seeds {_under_fresh(c, again)}" if again else ""
    return Finding(f"{_heading(c)}{beside}", _setting(c), (*_judged(c, again), _cost(c)))


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


def _under_fresh(c: Comparison, again: Mapping[str, Contrast]) -> str:
    """Return what fresh seeds say of arms that were chosen: `standard 0.5 does better`."""
    words = {
        SAME: "makes no difference that matters",
        UNTOLD: f"cannot be told from {c.baseline}",
        "": "has no verdict",
    }
    parts = []
    for label, contrast in again.items():
        says = words.get(contrast.direction, f"does {contrast.direction}")
        unsure = contrast.direction not in ("", UNTOLD) and not contrast.confirmed
        parts.append(f"{label} {says}{', not yet confirmed' if unsure else ''}")
    return " and ".join(parts)


def _heading(c: Comparison) -> str:
    ended = {str(s) for s in c.runs["status"].tolist()}
    if "completed" not in ended:
        return f"Every run {'diverged' if ended == {'diverged'} else 'failed or diverged'}: there is nothing to compare"
    told = [label for label in ranked(c.verdicts) if c.verdicts[label].direction]
    if not told:
        return _nothing_to_compare(c)
    ups = [label for label in told if c.verdicts[label].direction in UPWARDS]
    downs = [label for label in told if c.verdicts[label].direction in DOWNWARDS]
    if ups:
        return _ahead(c, ups, downs)
    if has_learned_nothing(c):
        return f"{c.baseline} has learned next to nothing, so a comparison with it says nothing yet"
    if downs:
        return _behind(c, told, downs)
    return _neither(c, told)


def has_learned_nothing(c: Comparison) -> bool:
    """Return whether the baseline has learned next to nothing in most of its seeds."""
    done = counted(c.runs_of(str(c.baseline)))
    return bool(unlearned(done).sum() > len(done) / 2)


def _ahead(c: Comparison, ups: Sequence[str], downs: Sequence[str]) -> str:
    sure = [label for label in ups if c.verdicts[label].confirmed]
    first = leader(c, sure or ups)
    rest = [label for label in sure or ups if label != first]
    others = len(rest)
    who = f"{first} and {rest[0] if others == 1 else count(others, 'other arm')}" if rest else first
    word = c.verdicts[first].direction
    does = ("does" if not others else "do") if sure else ("seems to do" if not others else "seem to do")
    says = f"{who} {does} {word} than {c.baseline}" + ("" if sure else ", not yet confirmed")
    return f"{says}; {_number(downs)} {c.verdicts[downs[0]].direction}" if downs else says


def _behind(c: Comparison, told: Sequence[str], downs: Sequence[str]) -> str:
    sure = [label for label in downs if c.verdicts[label].confirmed]
    word = c.verdicts[downs[0]].direction
    unsure = "" if sure else ", not yet confirmed"
    if len(downs) == len(told):
        who = {1: f"{told[0]} does", 2: "Both arms do"}.get(len(told), f"All {len(told)} arms do")
        return f"{who} {word} than {c.baseline}{unsure}"
    better = "higher" if word == "lower" else "better"
    does = "does" if len(downs) == 1 else "do"
    return f"No arm is shown to do {better} than {c.baseline}; {len(downs)} of {len(told)} {does} {word}{unsure}"


def _neither(c: Comparison, told: Sequence[str]) -> str:
    same = [label for label in told if c.verdicts[label].direction == SAME]
    one = told[0] if len(told) == 1 else ""
    if len(same) == len(told):
        unsure = "" if all(c.verdicts[label].confirmed for label in same) else ", not yet confirmed"
        return f"{f'{one} makes' if one else 'The arms make'} no difference that matters{unsure}"
    if same:
        return (
            f"No arm is shown to differ from {c.baseline}; {len(same)} of {len(told)} make no difference that matters"
        )
    if _no_gain(c):
        return f"No arm does better than {c.baseline} by more than {_region(c)}"
    seeds = min(c.verdicts[label].difference.n for label in told)
    better = "beats" if c.measure and c.measure.direction else "differs from"
    return f"{count(seeds, 'seed')} cannot tell whether {one or 'any arm'} {better} {c.baseline}"


def _no_gain(c: Comparison) -> bool:
    """Return whether an improvement that matters is excluded for every arm, whether or not a loss is."""
    return bool(c.verdicts) and all(contrast.not_better for contrast in c.verdicts.values())


def _region(c: Comparison) -> str:
    first = next(iter(c.verdicts.values()))
    return first.measure.size(first.region)


def _nothing_to_compare(c: Comparison) -> str:
    if c.baseline is None:
        return f"{count(len(c.labels), 'arm')}, and none to compare {'it' if len(c.labels) == 1 else 'them'} with"
    if len(c.labels) == 1:
        return f"Only {c.baseline} was run: there is nothing to compare it with"
    if c.measure is None:
        return "No measure was recorded that arms could be compared by"
    return f"Too few runs to compare with {c.baseline}"


def _number(labels: Sequence[str]) -> str:
    return f"{labels[0]} does" if len(labels) == 1 else f"{len(labels)} arms do"


def _setting(c: Comparison) -> str:
    """Return a sentence on model, data, arms, seeds and measure."""
    row = {key: _common(c, key) for key in ("data.n_train", "data.label_noise")}
    data = [f"{written(row['data.n_train'])} training examples"] * (row["data.n_train"] is not None)
    noise: Any = row["data.label_noise"]
    if isinstance(noise, float) and noise > 0:
        data.append(f"{100 * noise:.3g}\N{NO-BREAK SPACE}% of their labels wrong")
    length = trained_for(c.runs)
    trained = f", trained for {length}," if "," in length else f", trained for {length}" if length else ""
    models, names = models_of(c.runs), data_of(c.runs)
    model = f"Model {models[0]}" if len(models) == 1 else "Several models"
    on = (
        "several data sets"
        if len(names) != 1
        else called(names)[names[0]]
        if object_of(names[0])
        else f"data {names[0]}"
    )
    seeds = _seeds(c)
    by = f" Arms are compared by {c.measure.spoken}{_of_whom(c)}." if c.measure and c.verdicts else ""
    arms = count(len(c.labels), "arm")
    details = f" ({', '.join(data)})" if data else ""
    return f"{model}{trained} on {on}{details}: {arms}, {seeds}.{by}"


def _seeds(c: Comparison) -> str:
    """Return how many seeds there are, and how many of them are compared if a sweep was stopped in the middle."""
    n, shared = len(set(c.runs["seed"].tolist())), min(c.pairs.values(), default=0)
    return count(n, "seed") + (
        f", of which each arm shares at least {shared} with {c.baseline}" if 0 < shared < n else ""
    )


def _of_whom(c: Comparison) -> str:
    kinds = set(about(c).values())
    if kinds == {EXAMPLES}:
        return "; the verdicts hold for new examples like those tested"
    return "; the verdicts hold for the tested examples only" if len(kinds) == 1 else ""


def _common(c: Comparison, key: str) -> object:
    """Return the value of a key if all runs have the same; else None."""
    values = {written(v): v for v in c.runs[key].tolist()} if key in c.runs else {}
    value = next(iter(values.values())) if len(values) == 1 else None
    return None if value != value else value


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
    first = held[0] if held else leader(c, sure or ups or told)
    if first in again:
        return [
            _held(c, first, again[first]),
            _sure(again[first], c.alpha, len(again), first, fresh_seeds(c)),
            _avoid(c, told),
        ]
    open_loss = _no_gain(c) and not c.verdicts[first].confirmed
    sure_of = _excluded(c, first) if open_loss else _sure(c.verdicts[first], c.alpha, len(c.verdicts), first)
    settled = sum(c.verdicts[label].confirmed for label in told)
    if settled and sure_of.value == "cannot tell":
        sure_of = Fact(sure_of.name, f"{settled} of {count(len(told), 'arm')} confirmed", sure_of.detail)
    return [_best(c, first, bool(ups)), sure_of, _avoid(c, told)]


def _too_early(c: Comparison) -> list[Fact]:
    """Return the facts where the baseline has learned next to nothing: no arm is best, and nothing is sure."""
    base, measure = _level(c, c.baseline), c.measure
    level = "" if measure is None or math.isnan(base.mean) else f"{measure.level(base.mean)} {measure.unit}".rstrip()
    return [
        Fact("Best", "nothing yet", f"{c.baseline} has learned next to nothing{f' ({level})' if level else ''}"),
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
    return Fact(
        name, first, f"{size(contrast)}{between} against {c.baseline} under fresh seeds, which did not choose it"
    )


def _best(c: Comparison, first: str, ahead: bool) -> Fact:
    contrast, measure = c.verdicts[first], c.measure
    assert measure is not None
    name = "Highest" if not measure.direction else "Best"
    sign = measure.direction or 1
    if not ahead and not sign * contrast.difference.mean > 0:
        base = _level(c, c.baseline)
        level = f"{measure.level(base.mean)} {measure.unit}".rstrip() if not math.isnan(base.mean) else ""
        return Fact(
            name, str(c.baseline), f"{level}; no arm has a better mean" if level else "no arm has a better mean"
        )
    chosen = {choice.chosen: choice.word for choice in c.choices}
    how = f" (its {chosen[first]} was chosen by the validation score, not by this one)" if first in chosen else ""
    between = f" ({limits(contrast)})" if limits(contrast) else ""
    told = f"{size(contrast)}{between} against {c.baseline}{how}"
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
        return Fact(name, value, f"{seeds}; nothing is confirmed with fewer than {MIN_PAIRS}")
    needed = seeds_to_confirm(contrast.seeds_needed)
    more = f"; it would take {needed} to settle it" if needed != ABSENT else ""
    return Fact(name, value, f"{seeds} leave {first} open{more}")


def _excluded(c: Comparison, first: str) -> Fact:
    """Return how sure it is that no arm is better, where a gain is excluded and a loss is not."""
    of = "the interval of every arm" if len(c.verdicts) > 1 else f"its {c.verdicts[first].sure} interval"
    return Fact(
        "How sure", "a gain is excluded", f"{of} ends before a gain of {_region(c)}; whether there is a loss is open"
    )


def _avoid(c: Comparison, told: Sequence[str]) -> Fact:
    downs = [label for label in told if c.verdicts[label].direction in DOWNWARDS]
    if not downs:
        return Fact("Avoid", "nothing", f"no arm is shown to do worse than {c.baseline}")
    sure = sum(c.verdicts[label].confirmed for label in downs)
    value = downs[0] if len(downs) == 1 else f"{len(downs)} of {count(len(told), 'arm')}"
    kind = "confirmed" if sure == len(downs) else "not confirmed" if not sure else f"{sure} of them confirmed"
    return Fact("Avoid", value, f"{_spread([c.verdicts[label] for label in downs], c.baseline)}; {kind}")


def _spread(contrasts: Sequence[Contrast], baseline: str | None) -> str:
    """Return the range of the means, `−2.7 to −15.8 points against none`; if none has a mean, how many seeds diverged."""
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

"""The finding of a comparison in one screen: a heading, a sentence on what was run, and the facts of facts.py."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from dropbench.identity import object_of
from dropbench.report.statistics.contrast import Contrast
from dropbench.report.statistics.verdict import SAME, UNTOLD
from dropbench.report.tables.called import called, data_of, models_of
from dropbench.report.tables.comparison import Comparison, Diagnosis
from dropbench.report.tables.facts import (
    DOWNWARDS,
    UPWARDS,
    Fact,
    facts,
    has_learned_nothing,
    leader,
    no_gain,
    ranked,
    region_of,
)
from dropbench.report.tables.last_epoch import PAST_BEST
from dropbench.report.tables.length import trained_for
from dropbench.report.tables.population import EXAMPLES, about
from dropbench.report.tables.repeats import under_fresh_seeds
from dropbench.values import count, written


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
    return Finding(f"{_heading(c)}{beside}", _setting(c), facts(c))


def _under_fresh(c: Comparison, again: Mapping[str, Contrast]) -> str:
    """Return what fresh seeds say of arms that were chosen: `standard 0.5 does better`."""
    words = {
        SAME: "makes no difference that matters",
        UNTOLD: f"cannot be told from {c.base}",
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
        return f"The baseline ({c.base}) has learned next to nothing, so a comparison with it says nothing yet"
    if downs:
        return _behind(c, told, downs)
    return _neither(c, told)


def _ahead(c: Comparison, ups: Sequence[str], downs: Sequence[str]) -> str:
    sure = [label for label in ups if c.verdicts[label].confirmed]
    first = leader(c, sure or ups)
    rest = [label for label in sure or ups if label != first]
    others = len(rest)
    who = f"{first} and {rest[0] if others == 1 else count(others, 'other arm')}" if rest else first
    word = c.verdicts[first].direction
    does = ("does" if not others else "do") if sure else ("seems to do" if not others else "seem to do")
    late = f", which was {PAST_BEST}" if past_best(c) else ""
    says = f"{who} {does} {word} than {c.base}{late}" + ("" if sure else ", not yet confirmed")
    return f"{says}; {_number(downs)} {c.verdicts[downs[0]].direction}" if downs else says


def past_best(c: Comparison) -> Diagnosis | None:
    """Return the warning that the baseline is tested long after its best epoch, where an arm does better; else None."""
    return next((d for d in c.further if d.rule == PAST_BEST), None)


def _behind(c: Comparison, told: Sequence[str], downs: Sequence[str]) -> str:
    sure = [label for label in downs if c.verdicts[label].confirmed]
    word = c.verdicts[downs[0]].direction
    unsure = "" if len(sure) == len(downs) else f" ({len(sure)} confirmed)" if sure else ", not yet confirmed"
    if len(downs) == len(told):
        who = {1: f"{told[0]} does", 2: "Both arms do"}.get(len(told), f"All {len(told)} arms do")
        return f"{who} {word} than {c.base}{unsure}"
    better = "higher" if word == "lower" else "better"
    does = "does" if len(downs) == 1 else "do"
    return f"No arm is shown to do {better} than {c.base}; {len(downs)} of {len(told)} {does} {word}{unsure}"


def _neither(c: Comparison, told: Sequence[str]) -> str:
    same = [label for label in told if c.verdicts[label].direction == SAME]
    one = told[0] if len(told) == 1 else ""
    if len(same) == len(told):
        unsure = "" if all(c.verdicts[label].confirmed for label in same) else ", not yet confirmed"
        return f"{f'{one} makes' if one else 'The arms make'} no difference that matters{unsure}"
    if same:
        return f"No arm is shown to differ from {c.base}; {len(same)} of {len(told)} make no difference that matters"
    if no_gain(c):
        return f"No arm does better than {c.base} by more than {region_of(c)}"
    seeds = min(c.verdicts[label].difference.n for label in told)
    better = "beats" if c.measure and c.measure.direction else "differs from"
    return f"{count(seeds, 'seed')} cannot tell whether {one or 'any arm'} {better} {c.base}"


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
    what = "words" if _common(c, "data.window") is not None else "examples"  # of running text n_train counts words
    data = [f"{written(row['data.n_train'])} training {what}"] * (row["data.n_train"] is not None)
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
    by = f" Each is compared with {_base(c)} by {c.measure.spoken}{_of_whom(c)}." if c.measure and c.verdicts else ""
    arms = f"{count(len(c.labels), 'arm')} (the settings compared)"
    details = f" ({', '.join(data)})" if data else ""
    return f"{model}{trained} on {on}{details}: {arms}, {seeds}.{by}"


def _base(c: Comparison) -> str:
    """Return the baseline's label and what it stands for: `none (no dropout)`."""
    return str(c.baseline) if c.base == c.baseline else f"{c.baseline} ({c.base})"


def _seeds(c: Comparison) -> str:
    """Return how many seeds there are, and how many of them are compared if a sweep was stopped in the middle."""
    n, shared = len(set(c.runs["seed"].tolist())), min(c.pairs.values(), default=0)
    return f"{count(n, 'seed')} (random starts)" + (
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

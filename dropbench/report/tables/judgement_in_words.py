"""Explains a difference and its verdict, number by number, for a reader who knows no statistics.

Numbers have the same digits as in the table, and each is followed by the name of its column in parentheses.
"""

from __future__ import annotations

import math

from dropbench.report.records.measures import Measure
from dropbench.report.statistics.contrast import Contrast
from dropbench.report.statistics.difference import FLIPPED, WELCH
from dropbench.report.statistics.interval import CONFIDENCE, MIN_PAIRS, confidence
from dropbench.report.statistics.power import MOST
from dropbench.report.statistics.verdict import SAME, UNTOLD
from dropbench.report.tables.columns import p_value, share, unsigned, verdict_word
from dropbench.values import count


def judgement(contrast: Contrast, baseline: str, examples: str) -> list[str]:
    """Return sentences that compare one arm with the baseline, ordered so that each sentence builds on the one before it.

    Parameters
    ----------
    baseline : str
        The label of the arm that it was compared with.
    examples : str
        The examples that intervals and p are about, such as `examples like those tested`.
    """
    parts = [
        *_breakdowns(contrast, baseline),
        _size(contrast, baseline),
        _interval(contrast, examples),
        _chance(contrast, baseline),
        _once_more(contrast, baseline),
        _detectable(contrast),
        _verdict(contrast),
        _seeds(contrast),
    ]
    return [sentence for sentence in parts if sentence]


def unit(measure: Measure) -> str:
    """Return the unit of differences after a space, such as ` points` or ` nats`; empty if the unit has no name."""
    name = measure.points or measure.declared.unit
    return f" {name}" if name else ""


def _breakdowns(c: Contrast, baseline: str) -> list[str]:
    """Explain how seeds that diverged were counted."""
    d = c.difference
    if not d.diverged:
        return []
    what = "training broke down (diverged)" if c.how_lost == "diverged" else c.how_lost
    if d.pairs:
        places = ((d.lost, "in it alone"), (d.won, f"in {baseline} alone"), (d.tied, "in both"))
        told = ", ".join(f"{n} {where}" for n, where in places if n)
        where = f"Of the {count(d.pairs, 'seed')} that both arms have, {what}: {told}."
    else:
        where = f"{what[0].upper()}{what[1:]} in {d.lost} of its runs and in {d.won} of those of {baseline}."
    return [
        f"{where} Such a run has no score and counts as worse than any run that has one. So the verdict, p and the chance of "
        "doing better depend on the order of the runs, not on the size of differences, and hold only for the examples that "
        "were tested."
    ]


def _size(c: Contrast, baseline: str) -> str:
    d, m = c.difference, c.measure
    if not d.n:
        return f"None of its runs can be compared with a run of {baseline}, so there is no difference to report."
    if math.isnan(d.mean) and d.diverged:
        return "No seed finished in both arms, so there is no difference in numbers."
    if not math.isfinite(d.mean):
        return f"The difference from {baseline} has no size, since a score is infinite."
    how = f"over the {d.finished} seeds that both have" if d.n > 1 else "under the one seed that both have"
    if d.diverged:
        how = f"over the {count(d.finished, 'seed')} that finished in both" if d.pairs else "of those that finished"
    elif d.interval == WELCH or not d.pairs:
        how = "compared without pairs, since they share no seed"
    moves = "" if math.isnan(d.sd) else f"; from seed to seed that varies by about {unsigned(m.difference)(d.sd)} (sd)"
    return f"In {m.spoken} it is on average {apart(m, d.mean, baseline)}, {how}{moves}."


def apart(measure: Measure, value: float, other: str) -> str:
    """Return a difference in words: `1.11 points worse than none (-1.11)`."""
    written = measure.difference(value)
    size = written.lstrip("+-")
    if not size.strip("0.,"):
        return f"equal to {other} in the digits that are shown ({written}{unit(measure)})"
    up, down = ("higher", "lower") if measure.part == "gap" or not measure.direction else ("better", "worse")
    better = (value > 0) == (measure.direction >= 0 or up == "higher")
    return f"{size}{unit(measure)} {up if better else down} than {other} ({written})"


def _interval(c: Contrast, examples: str) -> str:
    d, m = c.difference, c.measure
    if not d.n or not math.isfinite(d.mean):
        return ""
    if math.isnan(d.low):
        return "" if d.diverged else "With so few runs it may be chance: there is no interval and no p."
    alone = d.interval not in (FLIPPED, WELCH)
    sure = confidence(1 - CONFIDENCE if alone else c.alpha)
    together = f", for all {c.tests} arms at once" if c.tests > 1 and not alone else ""
    worse = {1: "minus is worse", -1: "plus is worse", 0: "minus is lower"}[m.direction]
    return (
        f"The true difference, for {examples}, {limits(c)} with {sure} confidence{together} ({sure} interval; {worse})."
    )


def limits(c: Contrast) -> str:
    """Say where the interval lies. If it has only one finite end, as ranks of a few seeds give it, say at least or at most."""
    low, high = c.difference.low, c.difference.high
    least, most = (f"{c.measure.difference(limit)}{unit(c.measure)}" for limit in (low, high))
    if math.isinf(low) and math.isinf(high):
        return "may be any number"
    if math.isinf(low):
        return f"is at most {most}"
    return (
        f"is at least {least}" if math.isinf(high) else f"lies somewhere between {c.measure.difference(low)} and {most}"
    )


def _chance(c: Contrast, baseline: str) -> str:
    d = c.difference
    if math.isnan(d.p_adjusted):
        return ""
    alone, adjusted = p_value(d.p), p_value(d.p_adjusted)
    if c.tests < 2 or 0 < d.pairs < MIN_PAIRS:  # the arm is not corrected for other arms
        return (
            f"If the arm were no different from {baseline}, chance alone would produce a difference this clear in "
            f"{how_often(d.p)} (p {alone})."
        )
    most, whom = ("", "this arm or one that is no clearer") if d.pairs else ("at most ", f"any of {c.tests} arms")
    return (
        f"If the arm were no different from {baseline}, chance alone would produce a difference this clear in "
        f"{most}{how_often(d.p_adjusted)} for {whom} (p adjusted {adjusted}), and in {how_often(d.p)} for this arm alone "
        f"(p alone {alone})."
    )


def how_often(p: float) -> str:
    """Return a probability as a count with the digits of `p_value`: .0059 is `59 of 10,000 such studies`."""
    if p < 0.0001:
        return "fewer than 1 of 10,000 such studies"
    of = 10_000
    times = round(float(p_value(p)) * of)
    if times == of:
        return "every such study"
    while times % 10 == 0:
        times, of = times // 10, of // 10
    return f"{times} of {of:,} such studies"


def _once_more(c: Contrast, baseline: str) -> str:
    chance = c.difference.chance
    if math.isnan(chance.value):
        return ""
    return (
        f"Under one more seed the arm would do better than {baseline} with a probability of about {share(chance.value)}; these "
        f"seeds allow anything from {share(chance.low)} to {share(chance.high)} (P(better))."
    )


def _detectable(c: Contrast) -> str:
    if math.isnan(c.detectable):
        return ""
    size = unsigned(c.measure.difference)(c.detectable)
    return (
        f"If the true difference were {size}{unit(c.measure)}, four in five studies like this one would confirm it; a smaller "
        "difference is missed more often (MDE)."
    )


def _verdict(c: Contrast) -> str:
    word = verdict_word(c)
    if c.direction == "":
        return "There is no verdict."
    if c.direction == UNTOLD:
        return f"Verdict: {word}. {_untold(c)} That is not the same as no effect."
    if c.confirmed:
        return f"Verdict: {word}, confirmed: {_grounds(c)}."
    return f"Verdict: {word} Not confirmed: {_lacking(c)}."


def _matters(c: Contrast) -> str:
    return f"the ±{c.measure.size(c.region)} that count as too small to matter"


def _by_order(c: Contrast) -> bool:
    return bool(c.difference.diverged and c.side)


def _grounds(c: Contrast) -> str:
    if _by_order(c):
        return "by the order of all seeds, including those that broke down"
    return f"the whole interval lies {'within' if c.direction == SAME else 'beyond'} {_matters(c)}"


def _lacking(c: Contrast) -> str:
    d = c.difference
    if d.n < MIN_PAIRS or (d.finished < MIN_PAIRS and not _by_order(c)):
        return f"it takes at least {MIN_PAIRS} seeds, and there are {min(d.n, d.finished) if d.diverged else d.n}"
    all_arms = f", since it holds for all {c.tests} arms at once" if c.tests > 1 else ""
    return f"an interval for this arm alone would confirm it, but the interval shown is wider{all_arms}, and does not"


def _untold(c: Contrast) -> str:
    d = c.difference
    if d.diverged:
        return "The order of these seeds does not say which arm is better."
    if not all(map(math.isfinite, (*d.alone, c.region))):
        return "There is no interval to judge by."
    if max(map(abs, d.alone)) <= c.region:
        return (
            f"The interval for this arm alone lies within {_matters(c)}, but so few test examples cannot show that two arms "
            f"are {SAME}, unless at least ±{c.measure.size(c.resolution)} counts as too small to matter."
        )
    beyond = c.measure.size(c.region)
    return f"These seeds allow for a difference that matters, beyond ±{beyond}, and for one that does not."


def _seeds(c: Contrast) -> str:
    if c.confirmed or math.isnan(c.seeds_needed.even):
        return ""
    even, likely = c.seeds_needed
    if math.isinf(even):
        return f"It would take more than {MOST:,} seeds to confirm a verdict."
    if even == likely:
        return f"With {even:,.0f} seeds in all a verdict would be confirmed in four of five cases (seeds to confirm)."
    more = f"more than {MOST:,}" if math.isinf(likely) else f"{likely:,.0f}"
    return (
        f"With {even:,.0f} seeds in all a verdict would be confirmed with an even chance, with {more} in four of five cases "
        "(seeds to confirm)."
    )

"""Explains every number in a comparison's tables in sentences, for a reader who knows no statistics."""

from __future__ import annotations

import math
from dataclasses import replace

from dropbench.report.records.measures import Measure
from dropbench.report.records.said import Untold
from dropbench.report.statistics.contrast import Contrast
from dropbench.report.tables.columns import figures, one_digit, or_absent, plus_minus, share, unsigned
from dropbench.report.tables.comparison import Comparison
from dropbench.report.tables.judgement_in_words import judgement, limits, unit
from dropbench.report.tables.report import Report
from dropbench.report.tables.selection import Choice
from dropbench.report.tables.summary import Summary
from dropbench.values import count

PLACES = {"train": "in training", "val": "in validation", "test": "in the test"}
_SEED = (
    "Seed:",
    "it fixes the split of the data, the initial weights, the order of the examples and the random noise. Arms trained under "
    "the same seed share all of these, so they are compared seed by seed.",
)
_GAP = (
    "Gap:",
    "the score on the training examples minus the score on the validation examples, both with the noise off. It shows how "
    "much better a model does on examples that it has seen.",
)
_NATS = (
    "Nats:",
    "the unit of the loss, which measures how much the right answers surprised the model. 0 is no surprise at all, 0.69 is "
    "the surprise at a tossed coin.",
)


def explained(report: Report) -> Report:
    """Return the report with an explanation added to every comparison."""
    return replace(report, comparisons=tuple(replace(c, explained=in_words(c)) for c in report.comparisons))


def in_words(comparison: Comparison) -> tuple[tuple[str, str], ...]:
    """Return paragraphs as (heading, sentences): the terms, the arms in the table's order, and how rates were chosen."""
    measures = [m for s in comparison.summaries for m in s.levels]
    words = [_SEED, *[_GAP] * any(m.part == "gap" for m in measures)]
    words += [_NATS] * any(m.declared.unit == "nats" for m in measures)
    arms = [paragraph for s in comparison.summaries for paragraph in of_arm(s, comparison)]
    return (*words, *arms, *(("Chosen:", _choice(choice)) for choice in comparison.choices))


def _called(s: Summary) -> str:
    return f"{s.arm.label}:" if s.arm.setting in s.arm.label else f"{s.arm.label} ({s.arm.setting}):"


def of_arm(s: Summary, c: Comparison) -> list[tuple[str, str]]:
    """Return an arm's scores and, unless it is the baseline, its difference from the baseline: one paragraph per outcome."""
    label, base = s.arm.label, c.baseline
    told = [_runs(s), *(_levels(s, c.measure) if s.n else []), *_costs(s), *_agreement(s)]
    if label == base:
        told.append("It is the baseline, with which the others are compared.")
    scores = (_called(s), " ".join(told))
    if label not in c.verdicts or base is None:
        return [scores]
    main, further = c.verdicts[label], [c.against(m)[label] for m in c.outcomes if m != c.measure]
    beside = [(f"{label} against {base} in {o.measure.spoken}:", " ".join(_judged(o, base, c))) for o in further]
    return [scores, (f"{label} against {base}:", " ".join([*_judged(main, base, c), *_others(c, label)])), *beside]


def _judged(contrast: Contrast, baseline: str, c: Comparison) -> list[str]:
    these = isinstance(c.of_examples(contrast.expression), Untold)
    return judgement(contrast, baseline, "the examples that were tested" if these else "examples like those tested")


def _runs(s: Summary) -> str:
    ended = [f"{n} {what}" for n, what in ((s.failed, "failed"), (s.diverged, "diverged")) if n]
    rest = f"; {' and '.join(ended)}, and are left out of every mean" if ended else ""
    return f"{count(s.n, 'run')} finished{rest}." if s.n else f"None of its runs finished{rest}."


def _levels(s: Summary, main: Measure | None) -> list[str]:
    """Explain the scores: the verdict's measure first and in full, then one sentence for each other metric."""
    told = [] if main is None or main not in s.levels else [_score(s, main)]
    for name in dict.fromkeys(m.metric for m in s.levels):
        of = [m for m in s.levels if m.metric == name and m != main and not math.isnan(s.levels[m].mean)]
        if of:
            told.append(f"{name.replace('_', ' ').capitalize()}{_kind(of[0])}: {', '.join(_part(s, m) for m in of)}.")
    return told


def _score(s: Summary, m: Measure) -> str:
    level = s.levels[m]
    if math.isnan(level.mean):
        return f"Its {m.spoken} is not known."
    if level.never:
        middle = f"; the run in the middle took {m.level(level.median)} (median)" if math.isfinite(level.median) else ""
        return f"{level.never} of {count(level.n, 'run')} never reached that score ({m.spoken}){middle}."
    value = m.level(level.mean)
    examples = {"train": "training", "val": "validation", "test": "test"}.get(m.part)
    if m.in_percent and m.is_share_of_examples and examples:
        said = f"{value} of 100 {examples} examples were right on average"
    else:
        said = f"Its {m.spoken} was {value}{f' {m.unit}' if m.unit else unit(m) * (not m.in_percent)} on average"
    if math.isnan(level.sd):
        return f"{said}."
    spread = f"from seed to seed that varies by about {unsigned(m.level)(level.sd)} (±)"
    return f"{said}; {spread}, and the run in the middle has {m.level(level.median)} (median)."


def _kind(m: Measure) -> str:
    """Return a metric's unit and which direction is better, in parentheses."""
    better = {"higher": "higher is better", "lower": "lower is better", "neither": ""}[m.declared.direction]
    words = ", ".join(word for word in ("in %" if m.in_percent else unit(m).strip(), better) if word)
    return f" ({words})" if words else ""


def _part(s: Summary, m: Measure) -> str:
    level = s.levels[m]
    value = plus_minus(m.level, level.mean, level.sd)
    if m.part == "gap":
        return f"a gap of {value}{f' {m.unit}' if m.unit else ''}"
    return f"{value} {PLACES[m.part]}"


def _costs(s: Summary) -> list[str]:
    of = {name: level for name, level in s.costs.items() if not math.isnan(level.mean)}
    told = []
    if "chosen_epoch" in of:
        best = f"; the validation score was best in epoch {_spread(s, 'best_epoch')}" if "best_epoch" in of else ""
        told.append(f"Scores are from epoch {_spread(s, 'chosen_epoch')}{best}.")
    if "seconds" in of:
        each = f", {figures(of['epoch_seconds'].mean)} per epoch" if "epoch_seconds" in of else ""
        told.append(f"A run took {figures(of['seconds'].mean)} seconds{each}.")
    if "peak_memory_mb" in of:
        told.append(f"The runs that trained together took {one_digit(of['peak_memory_mb'].mean)} MB of memory at most.")
    return told


def _spread(s: Summary, name: str) -> str:
    return plus_minus(one_digit, s.costs[name].mean, s.costs[name].sd)


def _agreement(s: Summary) -> list[str]:
    a = s.agreement
    if a is None or math.isnan(a.mean):
        return []
    return [
        f"The attribution maps of two of its {a.seeds:.0f} seeds agree by {share(a.mean)} on average (1 would be identical), "
        f"with a standard error of {or_absent(lambda v: f'{v:.3f}', a.se)}; the two that agree least agree by {share(a.low)}."
    ]


def _others(c: Comparison, label: str) -> list[str]:
    """Return one sentence with the differences on the other measures, and which direction is better in each."""
    told = [_other(m, c.against(m)[label]) for m in c.compared if m not in (c.measure, *c.outcomes)]
    told = [words for words in told if words]
    return [f"Its other differences from {c.baseline}: {', '.join(told)}."] if told else []


def _other(m: Measure, contrast: Contrast) -> str:
    d = contrast.difference
    if math.isnan(d.mean):
        return ""
    better = {1: "higher is better", -1: "lower is better", 0: "it is not known whether higher or lower is better"}[
        m.direction
    ]
    where = "" if math.isnan(d.low) else f"the true one {limits(contrast)}; "
    return f"{m.spoken} {m.difference(d.mean)}{unit(m)} ({where}{better})"


def _choice(choice: Choice) -> str:
    best = "highest" if choice.rule.direction > 0 else "lowest"
    rule, test = (f" {m.unit}".rstrip() for m in (choice.rule, choice.test))
    return (
        f"Of {', '.join(choice.of)}, {choice.chosen} had the {best} mean {choice.rule.spoken} over "
        f"{count(len(choice.seeds), 'seed')}: {choice.rule.level(choice.score)}{rule}. Its {choice.test.spoken} under the same "
        f"seeds, {plus_minus(choice.test.level, choice.test_mean, choice.test_sd)}{test}, had no part in that choice."
    )

"""What a comparison with a baseline means for the next run: one rule a function, each with its numbers and what to try.

A rule speaks where an interval carries it and is silent elsewhere; `undecided` says which arms that leaves. Validation scores
steer, and test scores only say whether an arm helps: what is tried next must not be chosen by them. See docs/diagnosis.md.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from dropbench.report.diagnosis.evidence import Contrast, Curves, Evidence, contrasts
from dropbench.report.diagnosis.remedies import (
    Step,
    clipped,
    faster,
    fresh_seeds,
    gentler,
    longer,
    more_seeds,
    other_rates,
    placement,
    same_rates,
    same_sites,
    weaker,
)
from dropbench.report.records.measures import direction, in_percent, level, spoken, unit
from dropbench.report.statistics.interval import MIN_PAIRS, interval
from dropbench.report.statistics.power import ALPHA

SMALL_GAP, SMALL_SHARE = 0.01, 0.05
"""A baseline's gap below one point of accuracy, or 5 % of its validation score, is nothing to fix: closed altogether it
would win no more than that, which is within what seeds and splits of common sizes move a score."""
SLOWER = 0.1
"""Share of the baseline's epochs, and at least one epoch, that is no difference in speed: evaluations are an epoch apart."""
AT_THE_END = 0.9
"""A best epoch in the last tenth of training may not be the best yet."""
SPIKE = 0.5
"""A training loss that rises by half of all it had fallen has lost more than the noise between two epochs."""
BURST = 10.0
"""A gradient norm of ten times the median before it, and above that of the first epoch, when gradients are largest."""
OFTEN = 0.25
"""Share of an arm's runs, and at least two of them, that must be unstable: one is an accident of its seed."""
MANY_SEEDS = 100
"""More seeds than this in all are not proposed: whatever is that hard to tell is small beside what seeds do to a score."""


STEERED = ("misplaced", "too aggressive")
"""Rules after which more seeds of the same arm are beside the point."""


@dataclass(frozen=True)
class Diagnosis:
    """rule: its name in docs/diagnosis.md. arms: labels that it is about. says: the evidence. advice: what to try.

    steps: the runs that this takes, if any. commands: the same as typed, where they were written.
    """

    rule: str
    arms: tuple[str, ...]
    says: str
    advice: str
    steps: tuple[Step, ...] = ()
    commands: tuple[str, ...] = ()


def diagnose(e: Evidence) -> list[Diagnosis]:
    """Every rule that fits, in the order to read. Nothing for a metric of which it is not known which way is better."""
    if not e.others or not direction(e.score):
        return []
    found = [*no_overfitting(e), *helping(e), *misplaced(e), *too_aggressive(e), *slower(e), *unstable(e)]
    return [*found, *undecided(e, {label for d in found if d.rule in STEERED for label in d.arms[:1]})]


def no_overfitting(e: Evidence) -> list[Diagnosis]:
    """The baseline's gap is surely small either way: a regularizer has nothing to win.

    Not with wrong labels in training, which lower the training score alone: the gap then says nothing of overfitting. For
    the same reason a gap that is as surely the other way round is none to draw conclusions from.
    """
    sign, measure = direction(f"val_{e.metric}"), f"gap_{e.metric}"
    gaps = [sign * g for g in e.scores(e.baseline, measure).values() if math.isfinite(g)]
    levels = [v for v in e.scores(e.baseline, f"val_{e.metric}").values() if math.isfinite(v)]
    noisy = e.configs[e.baseline]["data"].get("label_noise")
    if len(gaps) < MIN_PAIRS or not levels or noisy or helping(e):
        return []
    import numpy as np

    limit = SMALL_GAP if in_percent(measure) else SMALL_SHARE * abs(float(np.mean(levels)))
    found = interval(np.array(gaps))
    if not -limit < found.low <= found.high < limit:
        return []
    low, high = sorted((sign * found.low, sign * found.high))
    write, words = level(measure), unit(measure, of_difference=True)
    train, score = f"train_{e.metric}", [v for v in e.scores(e.baseline, f"train_{e.metric}").values() if v == v]
    at = f" at a training {spoken(train).partition(' ')[2]} of {level(train)(float(np.mean(score)))}" if score else ""
    at += f" {unit(train, of_difference=False)}".rstrip() if score else ""
    return [
        Diagnosis(
            "no overfitting to fix",
            (e.baseline,),
            f"{e.baseline} itself has a gap of {write(sign * float(np.mean(gaps)))} {words}".rstrip()
            + f" (95 % interval {write(low)} to {write(high)}, n = {len(gaps)}){at}, surely within "
            f"±{write(limit).removeprefix('+')} {words}".rstrip()
            + ": a regularizer has next to nothing to win.",
            "keep the baseline; a gap may still open when it trains twice as long",
            (Step(longer(e.configs[e.baseline]), e.seeds(e.baseline)),),
        )
    ]


def helping(e: Evidence) -> list[Diagnosis]:
    """The score is better, beyond the region: the verdict `better`."""
    found = []
    for label, score in e.against(e.score).items():
        if score.word != "better":
            continue
        gap = e.against(f"gap_{e.metric}").get(label)
        aside = f"; the gap moves by {gap}" if gap is not None and e.score != f"gap_{e.metric}" else ""
        says = f"{label} changes {spoken(e.score)} by {score}, Holm p = {score.p_holm:.3g}{aside}."
        config = e.configs[label]
        rates = same_sites(config, e.configs, e.others)
        if len(rates) > 1:
            advice = "see whether it holds under seeds that chose nothing"
            seeds = fresh_seeds(e.seeds(label))
            steps = [Step(e.configs[e.baseline], seeds), Step(config, seeds)]
        else:
            advice = "look for a rate that does better still, by validation score"
            steps = _rates_around(e, label)
            if not steps:
                advice = "keep it"
        found.append(Diagnosis("helping", (label,), says, advice, tuple(steps)))
    return found


def too_aggressive(e: Evidence) -> list[Diagnosis]:
    """Training lags the baseline, and validation surely does not improve."""
    moved = {label for d in misplaced(e) for label in d.arms[:1]}
    found = []
    for label, train in e.against(f"train_{e.metric}").items():
        val = e.against(f"val_{e.metric}").get(label)
        if val is None or train.word != "worse" or not val.not_better or label in moved:
            continue
        if _word(e.against(e.score), label) == "better":
            continue
        what = "gets worse too" if val.word == "worse" else "does not improve by anything that matters"
        says = (
            f"{label} lags in training, where it is scored with the noise off: {train}, Holm p = {train.p_holm:.3g}; "
            f"validation {what}: {val}."
        )
        milder, there = None, list[str]()
        if not e.learned(label):
            milder, there = weaker(e.configs[label], {o: e.configs[o] for o in e.others})
        advice = "no rate to lower here: weaken the regularizer"
        if milder is not None:
            advice = "halve the rate"
            if there:
                advice += (
                    f", and again, since {', '.join(there)} {'is' if len(there) == 1 else 'are'} in the table already"
                )
        steps = (Step(milder, e.seeds(label)),) if milder is not None else ()
        found.append(Diagnosis("too aggressive", (label,), says, advice, steps))
    return found


def misplaced(e: Evidence) -> list[Diagnosis]:
    """Of arms that differ in placement only, one hurts validation, another surely does not and is surely better than it."""
    measure, found = f"val_{e.metric}", []
    val = e.against(measure)
    for label, here in val.items():
        peers = [
            o
            for o in e.others
            if o in val
            and val[o].not_worse
            and same_rates(e.configs[o], e.configs[label])
            and placement(e.configs[o]) != placement(e.configs[label])
        ]
        if here.word != "worse" or not peers:
            continue
        apart = contrasts(
            {o: e.scores(o, measure) for o in peers}, e.scores(label, measure), measure, here.sign, here.rope
        )
        better = [o for o, c in apart.items() if c.word == "better"]
        if not better:
            continue
        best = max(better, key=lambda o: here.sign * apart[o].difference.mean)
        says = (
            f"{label} hurts validation: {here}, Holm p = {here.p_holm:.3g}; {best}, the same elsewhere, does not: "
            f"{val[best]}, and is better than {label} by {apart[best]}."
        )
        steps = tuple(_rates_around(e, best))
        advice = f"keep it where {best} has it" + ("; then look for the rate there" if steps else "")
        found.append(Diagnosis("misplaced", (label, best), says, advice, steps))
    return found


def slower(e: Evidence) -> list[Diagnosis]:
    """Surely not worse in validation, but surely later at the score that arm and baseline both reach.

    That score is, seed by seed, the lower of their two best: the baseline's best wherever the arm gets there. An arm that
    stays just below it, as half of all would by chance, counts with what it reached instead of with `never`.
    """
    measure = f"val_{e.metric}"
    sign = direction(measure)
    arms: dict[str, dict[int, float]] = {}
    others: dict[str, dict[int, float]] = {}
    base = e.curves(e.baseline)
    for label, val in e.against(measure).items():
        if not val.not_worse:
            continue
        completed = set(e.scores(label, measure)) & set(e.scores(e.baseline, measure))
        for seed, curves in e.curves(label).items():
            epochs = both_reach(curves, base[seed], measure, sign) if seed in completed and seed in base else None
            if epochs is not None:
                arms.setdefault(label, {})[seed], others.setdefault(label, {})[seed] = map(float, epochs)
    found = []
    for label, ours in arms.items():
        theirs = others[label]
        usual = sum(theirs.values()) / len(theirs)
        # Against its own baseline's epochs, so Holm over the arms is applied by hand: Bonferroni, which is never laxer.
        (delay,) = contrasts({label: ours}, theirs, "val_epochs", -1, max(1.0, SLOWER * usual)).values()
        if delay.word != "worse" or delay.p_holm * len(arms) > ALPHA:
            continue
        later = sum(ours.values()) / len(ours)
        says = (
            f"{label} is not worse in validation ({e.against(measure)[label]}), but takes {later:.1f} epochs to the score "
            f"that {e.baseline} reaches in {usual:.1f}: {delay} epochs."
        )
        advice, change = "a higher learning rate may make up for it (Srivastava et al. 2014, A.2)", faster
        if ends_at_best(list(e.curves(label).values()), measure, sign):
            advice, change = "it may still have been improving at the end: train both for twice as long", longer
        steps = tuple(Step(change(e.configs[o]), e.seeds(label)) for o in (e.baseline, label))
        found.append(Diagnosis("slower but not worse", (label,), says, advice, steps))
    return found


def unstable(e: Evidence) -> list[Diagnosis]:
    """Many runs diverged, or had a spike of the training loss or a burst of the gradient: the baseline is judged too."""
    seen = {label: _trouble(e, label) for label in e.labels}
    found = []
    for label, trouble in seen.items():
        bad = set().union(*trouble.values())
        n = len(e.seeds(label))
        if len(bad) < max(2, OFTEN * n):
            continue
        parts = [f"{len(seeds)} {what}" for what, seeds in trouble.items() if seeds]
        theirs = len(set().union(*seen[e.baseline].values()))
        beside = "" if label == e.baseline else f" (of {e.baseline}: {theirs} of {len(e.seeds(e.baseline))})"
        says = f"{len(bad)} of {n} runs of {label} were unstable{beside}: {', '.join(parts)}."
        norms = [v for c in e.curves(label).values() for v in c.get("grad_norm", ()) if math.isfinite(v)]
        capped = clipped(e.configs[label], norms)
        if capped is not None:
            advice = "clip the gradient at its median norm"
            steps = [Step(capped, e.seeds(label))]
        else:
            advice = "the gradient is clipped already: halve the learning rate"
            steps = [Step(gentler(e.configs[o]), e.seeds(label)) for o in dict.fromkeys((e.baseline, label))]
        found.append(Diagnosis("unstable", (label,), says, advice, tuple(steps)))
    return found


def undecided(e: Evidence, but: Collection[str] = ()) -> list[Diagnosis]:
    """The arms whose verdict is inconclusive, together: what these seeds cannot tell, and how many more might.

    but: arms of which there is something better to try already.
    """
    score = e.against(e.score)
    open_ = {
        label: c
        for label, c in score.items()
        if c.word == "inconclusive" and math.isfinite(c.difference.mean) and label not in but
    }
    if not open_:
        return []
    apart = [label for label, c in open_.items() if not c.difference.pairs]
    shown = "; ".join(
        f"{label} {c}" + (f", Holm p = {c.p_holm:.2g}" if c.p_holm == c.p_holm else "")
        for label, c in list(open_.items())[:3]
    )
    rest = f"; and {len(open_) - 3} more arms" if len(open_) > 3 else ""
    pairs = max(c.difference.n for c in open_.values())
    few = f" With {pairs} {'seed' if pairs == 1 else 'seeds'} nothing is: it takes six." if pairs < MIN_PAIRS else ""
    says = f"Whether {spoken(e.score)} changes cannot be told yet: {shown}{rest}.{few}"
    if apart:
        steps = [Step(e.configs[label], e.seeds(e.baseline)) for label in apart]
        return [Diagnosis("undecided", tuple(open_), says, "run these arms under the baseline's seeds", tuple(steps))]
    more, reach = more_seeds(list(open_.values()), len(score), MANY_SEEDS)
    if not more:
        advice = f"nothing to run: if means and spreads stay as they are, it takes more than {MANY_SEEDS} seeds"
        return [Diagnosis("undecided", tuple(open_), says, advice)]
    arms = [label for label, yes in zip(open_, reach, strict=True) if yes]
    seeds = tuple(range(max(e.seeds(e.baseline)) + 1, max(e.seeds(e.baseline)) + 1 + more))
    settles = (
        "as a first look"
        if pairs < MIN_PAIRS
        else f"would settle {', '.join(arms)} if means and spreads stay as they are"
    )
    advice = f"{more} more {'seed' if more == 1 else 'seeds'}, decided on before looking again: {settles}"
    return [
        Diagnosis(
            "undecided", tuple(open_), says, advice, tuple(Step(e.configs[o], seeds) for o in (e.baseline, *arms))
        )
    ]


def both_reach(ours: Curves, theirs: Curves, measure: str, sign: int) -> tuple[int, int] | None:
    """The first epochs, from 1, at the score that both reach: the lower of the two best. None where one has no scores."""
    best = [max((sign * v for v in c.get(measure, ()) if v == v), default=None) for c in (ours, theirs)]
    if best[0] is None or best[1] is None:
        return None
    target = min(best[0], best[1])
    first = [
        next(int(at) for at, v in zip(c["epoch"], c[measure], strict=True) if sign * v >= target)
        for c in (ours, theirs)
    ]
    return first[0], first[1]


def ends_at_best(runs: Sequence[Curves], measure: str, sign: int) -> bool:
    """Whether at least half of the runs were best in their last tenth."""
    late = 0
    for curves in runs:
        scored = [(sign * v, -at) for at, v in zip(curves["epoch"], curves.get(measure, ()), strict=False) if v == v]
        late += bool(scored) and -max(scored)[1] > AT_THE_END * curves["epoch"][-1]
    return 2 * late >= len(runs) > 0


def spikes(losses: Sequence[float]) -> bool:
    """Whether the loss ever rises by more than half of what it had fallen, and by more than a tenth of its start."""
    seen = [v for v in losses if v == v]
    low = math.inf
    for loss in seen:
        if low < seen[0] and loss - low > max(SPIKE * (seen[0] - low), 0.1 * abs(seen[0])):
            return True
        low = min(low, loss)
    return False


def bursts(norms: Sequence[float]) -> bool:
    """Whether a gradient norm is ever ten times the median of those before it (at least three) and above the first."""
    from statistics import median

    seen = [v for v in norms if v == v]
    return any(v > BURST * median(seen[:i]) and v > seen[0] for i, v in enumerate(seen) if i >= 3)


def _trouble(e: Evidence, label: str) -> dict[str, set[int]]:
    """The seeds of an arm's runs by what befell them."""
    rows = e.runs[e.runs["label"] == label]
    curves = e.curves(label)
    return {
        "diverged": {int(s) for s in rows.loc[rows["status"] == "diverged", "seed"]},
        "with a spike of the training loss": {s for s, c in curves.items() if spikes(c.get("train_loss", ()))},
        "with a burst of the gradient": {s for s, c in curves.items() if bursts(c.get("grad_norm", ()))},
    }


def _rates_around(e: Evidence, label: str) -> list[Step]:
    """The arm at rates beside its own that are not here yet; none where it learns them."""
    if e.learned(label):
        return []
    return [Step(c, e.seeds(label)) for c in other_rates(e.configs[label], [e.configs[o] for o in e.others])]


def _word(found: Mapping[str, Contrast], label: str) -> str:
    return found[label].word if label in found else ""

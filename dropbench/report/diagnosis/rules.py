"""What a comparison with a baseline means for the next run: one rule a function, each with its numbers and what to try.

A rule speaks where an interval carries it and is silent elsewhere; `undecided` says which arms that leaves. Validation scores
steer, and test scores only say whether an arm helps: what is tried next must not be chosen by them. See docs/diagnosis.md.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping

import numpy as np

from dropbench.report.diagnosis import remedies
from dropbench.report.diagnosis.curves import both_reach, bursts, ends_at_best, spikes
from dropbench.report.diagnosis.evidence import Evidence
from dropbench.report.records.convergence import EPOCHS
from dropbench.report.records.measures import Measure
from dropbench.report.records.scores import Scores
from dropbench.report.statistics.contrast import Contrast, Minus
from dropbench.report.statistics.interval import ALPHA, MIN_PAIRS, interval
from dropbench.report.statistics.judged import judged
from dropbench.report.tables.columns import p_value
from dropbench.report.tables.comparison import Diagnosis, Step
from dropbench.seeds import fresh
from dropbench.values import count, plural

SMALL_GAP, SMALL_SHARE = 0.01, 0.05
"""A baseline's gap below one point of accuracy, or 5 % of its validation score, is nothing to fix: closed altogether it
would win no more than that, which is within what seeds and splits of common sizes move a score."""
SLOWER = 0.1
"""Share of the baseline's epochs, and at least one epoch, that is no difference in speed: evaluations are an epoch apart."""
OFTEN = 0.25
"""Share of an arm's runs, and at least two of them, that must be unstable: one is an accident of its seed."""
MANY_SEEDS = 100
"""More seeds than this in all are not proposed: whatever is that hard to tell is small beside what seeds do to a score."""


STEERED = ("same runs", "misplaced", "too aggressive")
"""Rules after which more seeds of the same arm are beside the point."""


def diagnose(e: Evidence) -> list[Diagnosis]:
    """Every rule that fits, in the order to read. Nothing for a metric of which it is not known which way is better."""
    if not e.others or not e.score.direction:
        return []
    broken = unstable(e)  # whatever else there is to say rests on runs that held together
    steady = [] if any("diverged" in d.says for d in broken) else no_overfitting(e)
    told = [*broken, *same_runs(e), *steady, *helping(e), *misplaced(e), *too_aggressive(e), *slower(e)]
    return [*told, *undecided(e, {label for d in told if d.rule in STEERED for label in d.arms[:1]})]


def same_runs(e: Evidence) -> list[Diagnosis]:
    """An arm of a search, whose best setting is the baseline's and has no regularizer in it."""
    theirs = set(e.comparison.runs_of(e.baseline)["run_id"])
    return [
        Diagnosis(
            "same runs",
            (label,),
            f"{label} and {e.baseline} are the same runs: at the settings found for both nothing differs.",
            "leave it at that, since more seeds would differ as little",
            (),
            "",
        )
        for label in e.others
        if set(e.comparison.runs_of(label)["run_id"]) == theirs
    ]


def no_overfitting(e: Evidence) -> list[Diagnosis]:
    """The baseline's gap is surely small either way: a regularizer has nothing to win.

    Not with wrong labels in training, which lower the training score alone: the gap then says nothing of overfitting. For
    the same reason a gap that is as surely the other way round is none to draw conclusions from.
    """
    train, val, gap = (e.measure.on(part) for part in ("train", "val", "gap"))
    sign = val.direction
    gaps = np.array([sign * g for g in e.comparison.scores(e.baseline, gap).values() if math.isfinite(g)])
    levels = [v for v in e.comparison.scores(e.baseline, val).values() if math.isfinite(v)]
    noisy = e.configs[e.baseline]["data"].get("label_noise")
    if len(gaps) < MIN_PAIRS or not levels or noisy or helping(e):
        return []
    limit = SMALL_GAP if gap.in_percent else SMALL_SHARE * abs(float(np.mean(levels)))
    over = interval(gaps)
    if not -limit < over.low <= over.high < limit:
        return []
    low, high = sorted((sign * over.low, sign * over.high))
    write, unit = gap.level, gap.points
    score = [v for v in e.comparison.scores(e.baseline, train).values() if v == v]
    at = f" at a training {train.name} of {train.level(float(np.mean(score)))} {train.unit}".rstrip() if score else ""
    return [
        Diagnosis(
            "no overfitting to fix",
            (e.baseline,),
            f"{e.baseline} itself has a gap of {write(sign * float(np.mean(gaps)))} {unit}".rstrip()
            + f" (95 % interval {write(low)} to {write(high)}, n = {len(gaps)}){at}, surely within "
            f"±{write(limit).removeprefix('+')} {unit}".rstrip()
            + ": a regularizer has next to nothing to win.",
            "keep the baseline; a gap may still open when it trains twice as long",
            (Step(remedies.longer(e.configs[e.baseline]), e.seeds(e.baseline)),),
            "That shows whether a regularizer would ever have anything to win.",
        )
    ]


def helping(e: Evidence) -> list[Diagnosis]:
    """The score is better, beyond the region: the verdict `better`."""
    told = []
    for label, score in e.against(e.score).items():
        if score.verdict != "better":
            continue
        gap = e.against(e.score.on("gap")).get(label)
        aside = f"; the gap moves by {gap}" if gap is not None else ""
        says = f"{label} changes {e.score.spoken} by {score}, {_p(score)}{aside}."
        config = e.configs[label]
        rates = remedies.same_sites(config, e.configs, e.others)
        if len(rates) > 1 or not e.regularized(label):
            advice = "see whether it holds under seeds that chose nothing"
            seeds = tuple(fresh(e.seeds(label)))
            steps = [Step(e.configs[e.baseline], seeds), Step(config, seeds)]
            buys = _again(label, score)
        else:
            advice = "look for a rate that does better still, by validation score"
            steps = _rates_around(e, label)
            buys = f"That shows whether another rate does better in validation than {label}."
            if not steps:
                advice, buys = "keep it", ""
        told.append(Diagnosis("helping", (label,), says, advice, tuple(steps), buys))
    return sorted(told, key=lambda d: -_in_validation(e, d.arms[0]))


def _in_validation(e: Evidence, label: str) -> float:
    """How much better than the baseline it is on validation data: what is spoken of first is not chosen by its test score."""
    on = e.measure.on("val")
    found = e.against(on).get(label)
    return on.direction * found.difference.mean if found is not None and math.isfinite(found.difference.mean) else 0.0


def _again(label: str, score: Contrast) -> str:
    """What the same comparison under as many fresh seeds settles, and how often."""
    by = f"by more than {score.measure.size(score.region)}"
    said = f"That settles whether {label} is better {by} under seeds that did not choose it"
    size = abs(score.difference.mean)
    if not math.isfinite(score.detectable):
        return f"{said}."
    often = "more than" if size > score.detectable else "fewer than"
    return f"{said}: if it is as much better as here, {often} four of five such studies confirm it."


def _p(c: Contrast) -> str:
    """As the table has it: `p = 0.0039`."""
    shown = p_value(c.difference.p_adjusted)
    return f"p {shown}" if shown.startswith("<") else f"p = {shown}"


def too_aggressive(e: Evidence) -> list[Diagnosis]:
    """Training lags the baseline, and validation surely does not improve."""
    moved = {label for d in misplaced(e) for label in d.arms[:1]}
    validation, scores = e.against(e.measure.on("val")), e.against(e.score)
    told = []
    for label, train in e.against(e.measure.on("train")).items():
        val = validation.get(label) if e.regularized(label) else None
        if val is None or train.verdict != "worse" or not val.not_better or label in moved:
            continue
        if label in scores and scores[label].verdict == "better":
            continue
        what = "gets worse too" if val.verdict == "worse" else "does not improve by anything that matters"
        says = (
            f"{label} lags in training, where it is scored with the noise off: {train}, {_p(train)}; "
            f"validation {what}: {val}."
        )
        advice, steps = _milder(e, label)
        buys = f"That shows whether less of it does better than {e.baseline} in validation."
        told.append(Diagnosis("too aggressive", (label,), says, advice, steps, buys * bool(steps)))
    return told


def _milder(e: Evidence, label: str) -> tuple[str, tuple[Step, ...]]:
    """What to try in place of an arm that is too much: words, and the runs that it takes."""
    if e.learned(label):
        milder, passed = None, list[str]()
    else:
        milder, passed = remedies.weaker(e.configs[label], {o: e.configs[o] for o in e.others})
    if milder is None:
        return "no rate to lower here: weaken the regularizer", ()
    advice = "halve the rate"
    if passed:
        advice += f", and again, since {', '.join(passed)} {'is' if len(passed) == 1 else 'are'} in the table already"
    return advice, (Step(milder, e.seeds(label)),)


def misplaced(e: Evidence) -> list[Diagnosis]:
    """Of arms that differ in placement only, one hurts validation, another surely does not and is surely better than it."""
    measure, told = e.measure.on("val"), []
    val = e.against(measure)
    for label, harm in val.items():
        peers = [
            o
            for o, c in val.items()
            if c.not_worse
            and remedies.same_rates(e.configs[o], e.configs[label])
            and remedies.placement(e.configs[o]) != remedies.placement(e.configs[label])
        ]
        if harm.verdict != "worse" or not peers:
            continue
        asked = [Minus(o, label, measure) for o in peers]
        apart = dict(zip(peers, judged(asked, e.comparison.scores, harm.region, e.comparison.diverged), strict=True))
        better = [o for o, c in apart.items() if c.verdict == "better"]
        if not better:
            continue
        best = max(better, key=lambda o: measure.direction * apart[o].difference.mean)
        says = (
            f"{label} hurts validation: {harm}, {_p(harm)}; {best}, the same elsewhere, does not: "
            f"{val[best]}, and is better than {label} by {apart[best]}."
        )
        steps = tuple(_rates_around(e, best))
        advice = f"keep it where {best} has it" + ("; then look for the rate there" if steps else "")
        buys = f"That shows whether another rate does better in validation than {best}."
        told.append(Diagnosis("misplaced", (label, best), says, advice, steps, buys * bool(steps)))
    return told


def slower(e: Evidence) -> list[Diagnosis]:
    """Surely not worse in validation, but surely later at the score that arm and baseline both reach.

    That score is, seed by seed, the lower of their two best: the baseline's best wherever the arm gets there. An arm that
    stays just below it, as half of all would by chance, counts with what it reached instead of with `never`.
    """
    measure = e.measure.on("val")
    validation = e.against(measure)
    ours = {label: c for label, c in validation.items() if c.not_worse and e.regularized(label)}
    epochs = {label: both for label in ours if (both := _epochs(e, label, measure))}
    told = []
    for label, both in epochs.items():
        usual, later = (sum(side.values()) / len(side) for side in (both[e.baseline], both[label]))
        delay = _delay(Minus(label, e.baseline, EPOCHS), both, max(1.0, SLOWER * usual))
        # Against its own baseline's epochs, so it is corrected over the arms by hand: Bonferroni, which is never laxer.
        if delay.verdict != "worse" or delay.difference.p_adjusted * len(epochs) > ALPHA:
            continue
        says = (
            f"{label} is not worse in validation ({validation[label]}), but takes {later:.1f} epochs to the score "
            f"that {e.baseline} reaches in {usual:.1f}: {delay} epochs."
        )
        advice, change = "a higher learning rate may make up for it (Srivastava et al. 2014, A.2)", remedies.faster
        buys = f"That shows whether {label} can be as fast as {e.baseline}."
        if ends_at_best(list(e.curves(label).values()), measure):
            advice, change = (
                "it may still have been improving at the end: train both for twice as long",
                remedies.longer,
            )
            buys = f"That shows whether {label} ends ahead of {e.baseline} when both have the time."
        steps = tuple(Step(change(e.configs[o]), e.seeds(label)) for o in (e.baseline, label))
        told.append(Diagnosis("slower but not worse", (label,), says, advice, steps, buys))
    return told


def _delay(asked: Minus, epochs: Mapping[str, Scores], region: float) -> Contrast:
    """The contrast of two arms' epochs, by arm and seed."""
    (delay,) = judged([asked], lambda arm, _: epochs[arm], region)
    return delay


def _epochs(e: Evidence, label: str, measure: Measure) -> dict[str, Scores] | None:
    """By arm and seed, the epoch in which an arm and the baseline are first at the score that both reach."""
    theirs = e.curves(e.baseline)
    completed = e.comparison.scores(label, measure).keys() & e.comparison.scores(e.baseline, measure).keys()
    reached = {
        seed: both
        for seed, ours in e.curves(label).items()
        if seed in completed and seed in theirs and (both := both_reach(ours, theirs[seed], measure)) is not None
    }
    if not reached:
        return None
    return {arm: {s: float(at[i]) for s, at in reached.items()} for i, arm in enumerate((label, e.baseline))}


def unstable(e: Evidence) -> list[Diagnosis]:
    """Many runs diverged, or had a spike of the training loss or a burst of the gradient: the baseline is judged too."""
    seen = {label: _trouble(e, label) for label in e.comparison.labels}
    told = []
    for label, trouble in seen.items():
        bad = set().union(*trouble.values())
        n = len(e.seeds(label))
        if len(bad) < max(2, OFTEN * n):
            continue
        parts = [f"{len(seeds)} {what}" for what, seeds in trouble.items() if seeds]
        theirs = len(set().union(*seen[e.baseline].values()))
        beside = "" if label == e.baseline else f" (of {e.baseline}: {theirs} of {len(e.seeds(e.baseline))})"
        says = f"{len(bad)} of {n} runs of {label} were unstable{beside}: {', '.join(parts)}."
        # Gradients of runs that diverged are no measure of what a step should be.
        whole = [c for seed, c in e.curves(label).items() if seed not in trouble["diverged"]]
        norms = [v for c in whole for v in c.get("grad_norm", ()) if math.isfinite(v)]
        capped = remedies.clipped(e.configs[label], norms)
        if 2 * len(trouble["diverged"]) >= n and e.configs[label]["train"].get("lr"):
            advice = "a tenth of the learning rate"
            steps = [Step(remedies.much_gentler(e.configs[label]), e.seeds(label))]
        elif capped is not None:
            advice = "clip the gradient at its median norm"
            steps = [Step(capped, e.seeds(label))]
        else:
            advice = "the gradient is clipped already: halve the learning rate"
            steps = [Step(remedies.gentler(e.configs[o]), e.seeds(label)) for o in dict.fromkeys((e.baseline, label))]
        buys = f"That shows whether {label} then holds together, and what it scores."
        told.append(Diagnosis("unstable", (label,), says, advice, tuple(steps), buys))
    return told


def undecided(e: Evidence, but: Collection[str] = ()) -> list[Diagnosis]:
    """The arms whose verdict is not confirmed, together: what these seeds cannot tell, and how many more might.

    but: arms of which there is something better to try already.
    """
    score = e.against(e.score)
    unsettled = {
        label: c
        for label, c in score.items()
        if not c.confirmed and math.isfinite(c.difference.mean) and label not in but
    }
    if not unsettled:
        return []
    shown = "; ".join(
        f"{label} {c}" + (f", {_p(c)}" if (d := c.difference).p_adjusted == d.p_adjusted else "")
        for label, c in list(unsettled.items())[:3]
    )
    rest = f"; and {count(len(unsettled) - 3, 'more arm')}" if len(unsettled) > 3 else ""
    pairs = max(c.difference.n for c in unsettled.values())
    few = f" With {count(pairs, 'seed')} nothing is: it takes six." if pairs < MIN_PAIRS else ""
    size = e.score.size(next(iter(unsettled.values())).region)
    says = f"Whether {e.score.spoken} changes by more than {size} cannot be told yet: {shown}{rest}.{few}"
    return [Diagnosis("undecided", tuple(unsettled), says, *_to_settle(e, unsettled, pairs))]


def _to_settle(e: Evidence, unsettled: Mapping[str, Contrast], pairs: int) -> tuple[str, tuple[Step, ...], str]:
    """What would decide these contrasts, each of so many pairs: words, the runs that it takes, and what they buy."""
    apart = [label for label, c in unsettled.items() if not c.difference.pairs]
    if apart:
        steps = tuple(Step(e.configs[label], e.seeds(e.baseline)) for label in apart)
        buys = "That makes pairs, in which what a seed does to both arms cancels."
        return "run these arms under the baseline's seeds", steps, buys
    more, reach = remedies.more_seeds(list(unsettled.values()), MANY_SEEDS)
    if not more:
        why = f"given what these seeds leave open, it would take more than {MANY_SEEDS} of them"
        if all(math.isnan(c.seeds_needed.even) for c in unsettled.values()):
            why = "how many seeds it would take is not known where ranks decide"
        return f"leave it at that: {why}", (), ""
    arms = [label for label, yes in zip(unsettled, reach, strict=True) if yes]
    first = max(e.seeds(e.baseline)) + 1
    size = next(iter(unsettled.values()))
    differ = f"differs by more than {size.measure.size(size.region)}"
    each = f"whether {arms[0]} {differ}" if len(arms) == 1 else f"which of {', '.join(arms)} {differ}"
    buys = f"That would settle {each}: four of five such studies confirm it{', for each' * (len(arms) > 1)}."
    if pairs < MIN_PAIRS:
        buys = "That makes a first verdict possible; it may settle nothing."
    advice = (
        f"{more} more {plural(more, 'seed')} of {', '.join(arms)} and {e.baseline}, decided on before looking again"
    )
    steps = tuple(Step(e.configs[o], tuple(range(first, first + more))) for o in (e.baseline, *arms))
    return advice, steps, buys


def _trouble(e: Evidence, label: str) -> dict[str, set[int]]:
    """The seeds of an arm's runs by what befell them."""
    rows = e.comparison.runs_of(label)
    curves = e.curves(label)
    # With weights of classes it is another loss that training makes small, and the one that is measured may rise meanwhile.
    measured = e.configs[label]["train"].get("class_weights") is None
    spiked = {s for s, c in curves.items() if measured and spikes(c.get("train_loss", ()))}
    return {
        "diverged": {int(s) for s in rows.loc[rows["status"] == "diverged", "seed"]},
        "with a spike of the training loss": spiked,
        "with a burst of the gradient": {s for s, c in curves.items() if bursts(c.get("grad_norm", ()))},
    }


def _rates_around(e: Evidence, label: str) -> list[Step]:
    """The arm at rates beside its own that are not here yet; none where it learns them."""
    if e.learned(label):
        return []
    return [Step(c, e.seeds(label)) for c in remedies.other_rates(e.configs[label], [e.configs[o] for o in e.others])]

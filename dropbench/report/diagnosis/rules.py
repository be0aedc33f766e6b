"""What a comparison with a baseline means for the next run. Each function is one rule, with its numbers and what to try.

A rule says something only if an interval supports it; `undecided` names the arms that are left. Validation scores decide what
to try next. Test scores only say whether an arm helps, since what is tried next must not be chosen by them. See
docs/diagnosis.md.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping

import numpy as np

from dropbench.report.diagnosis import remedies
from dropbench.report.diagnosis.curves import both_reach, ends_at_best
from dropbench.report.diagnosis.evidence import Evidence, p_of
from dropbench.report.diagnosis.fresh import fresh as under_fresh
from dropbench.report.diagnosis.learned import nothing_learned, one_answer, one_class_arms
from dropbench.report.diagnosis.remedies import MANY_SEEDS
from dropbench.report.records.convergence import EPOCHS
from dropbench.report.records.measures import Measure
from dropbench.report.records.scores import Scores
from dropbench.report.statistics import moments
from dropbench.report.statistics.contrast import Contrast, Minus
from dropbench.report.statistics.interval import ALPHA, MIN_PAIRS, interval
from dropbench.report.statistics.judged import judged
from dropbench.report.tables.comparison import Diagnosis, Step
from dropbench.report.tables.repeats import to_repeat
from dropbench.seeds import fresh
from dropbench.values import UNDEFINED, count, plural

SMALL_GAP, SMALL_SHARE = 0.01, 0.05
"""A baseline's gap below one point of accuracy, or 5 % of its validation score, is not worth closing. Closing it entirely
would gain no more than that, and seeds and splits of common sizes change a score by as much."""
SLOWER = 0.1
"""A delay of up to this share of the baseline's epochs, and of at least one epoch, does not count as slower: scores are
measured once per epoch."""
OFTEN = 0.25
"""The share of an arm's runs, and at least two of them, that must be unstable: a single one may be an accident of its seed."""

NAMED = 6
"""The most arms that a proposal names one by one."""

STEERED = ("same runs", "misplaced", "too aggressive")
"""Rules after which more seeds of the same arm would not help."""


def diagnose(e: Evidence) -> list[Diagnosis]:
    """Return every rule that fits, in reading order. Empty for a metric without a known better direction."""
    if not e.others or not e.score.direction:
        return []
    settled = under_fresh(e)
    if e.comparison.fresh:  # its arms are chosen already
        return settled
    if (idle := nothing_learned(e)) and not helping(e):
        return [*unstable(e), *idle]
    broken = unstable(e)  # comes first, because all other rules assume runs that trained stably
    steady = [] if any("diverged" in d.says for d in broken) else no_overfitting(e)
    asked = {label for d in settled for label in d.arms}
    helps = [d for d in helping(e) if asked.isdisjoint(d.arms)]
    first = [*broken, *same_runs(e), *steady, *settled, *one_answer(e)]
    told = [*first, *helps, *misplaced(e), *too_aggressive(e), *slower(e)]
    return [*told, *undecided(e, asked | {label for d in told if d.rule in STEERED for label in d.arms[:1]})]


def same_runs(e: Evidence) -> list[Diagnosis]:
    """Find an arm of a search whose best setting is the baseline's, without any regularizer."""
    theirs = set(e.comparison.runs_of(e.baseline)["run_id"])
    return [
        Diagnosis(
            "same runs",
            (label,),
            f"{label} and {e.baseline} are the same runs: the search found the same settings for both.",
            "stop here, since more seeds would not differ either",
            (),
            "",
        )
        for label in e.others
        if set(e.comparison.runs_of(label)["run_id"]) == theirs
    ]


def no_overfitting(e: Evidence) -> list[Diagnosis]:
    """Find that the baseline's gap is certainly small in both directions, so that a regularizer has nothing to gain.

    The rule does not apply to training data with wrong labels, which lower only the training score, so that the gap says
    nothing about overfitting. For the same reason, a gap that is certainly large in the other direction allows no conclusion.
    """
    train, val, gap = (e.measure.on(part) for part in ("train", "val", "gap"))
    sign = val.direction
    gaps = np.array([sign * g for g in e.comparison.scores(e.baseline, gap).values() if math.isfinite(g)])
    levels = [v for v in e.comparison.scores(e.baseline, val).values() if math.isfinite(v)]
    noisy = e.configs[e.baseline]["data"].get("label_noise")
    if len(gaps) < MIN_PAIRS or not levels or noisy or helping(e):
        return []
    limit = SMALL_GAP if gap.in_percent else SMALL_SHARE * abs(moments.mean(levels))
    over = interval(gaps)
    if not -limit < over.low <= over.high < limit:
        return []
    low, high = sorted((sign * over.low, sign * over.high))
    write, unit = gap.level, gap.points
    score = [v for v in e.comparison.scores(e.baseline, train).values() if v == v]
    at = f" at a training {train.name} of {train.level(moments.mean(score))} {train.unit}".rstrip() if score else ""
    return [
        Diagnosis(
            "no overfitting to fix",
            (e.baseline,),
            f"{e.baseline} itself has a gap of {write(sign * moments.mean(gaps))} {unit}".rstrip()
            + f" (95 % interval {write(low)} to {write(high)}, n = {len(gaps)}){at}, certainly within "
            f"±{write(limit).removeprefix('+')} {unit}".rstrip()
            + ": a regularizer has almost nothing to gain.",
            "keep the baseline; a gap may still open if it trains twice as long",
            (Step(remedies.longer(e.configs[e.baseline]), e.seeds(e.baseline)),),
            "That shows whether a regularizer could gain anything at all.",
        )
    ]


def helping(e: Evidence) -> list[Diagnosis]:
    """Find arms with the verdict `better`, except those whose accuracy is only the share of one class."""
    told = []
    chosen, constant = to_repeat(e.comparison), one_class_arms(e)
    for label, score in e.against(e.score).items():
        if score.verdict != "better" or label in constant:
            continue
        gap = e.against(e.score.on("gap")).get(label)
        aside = f"; the gap moves by {gap}" if gap is not None else ""
        says = f"{label} changes {e.score.spoken} by {score}, {p_of(score)}{aside}."
        config = e.configs[label]
        rates = remedies.same_sites(config, e.configs, e.others)
        again = len(rates) > 1 or not e.regularized(label)
        if again:
            advice = "check the result under fresh seeds, which had no part in any choice"
            seeds = tuple(fresh(e.seeds(label)))
            steps = [Step(e.configs[e.baseline], seeds), Step(config, seeds)]
            buys = _again(label, score)
        else:
            advice = "look for an even better rate, by validation score"
            steps = _rates_around(e, label)
            buys = f"That shows whether another rate does better in validation than {label}."
            if not steps:
                advice, buys = "keep it", ""
        told.append(Diagnosis("helping", (label,), says, advice, tuple(steps), buys, confirm=again and label in chosen))
    return sorted(told, key=lambda d: -_in_validation(e, d.arms[0]))


def _in_validation(e: Evidence, label: str) -> float:
    """Return how far an arm is ahead on validation data; the order of arms must not depend on test scores."""
    on = e.measure.on("val")
    found = e.against(on).get(label)
    return on.direction * found.difference.mean if found is not None and math.isfinite(found.difference.mean) else 0.0


def _again(label: str, score: Contrast) -> str:
    """Say what the same comparison under as many fresh seeds would settle, and how often."""
    by = f"by more than {score.measure.size(score.region)}"
    said = f"That asks seeds that did not choose it whether {label} is better {by}"
    size = abs(score.difference.mean)
    if not math.isfinite(score.detectable):
        return f"{said}."
    often = "more than" if size > score.detectable else "fewer than"
    return f"{said}: if the true difference is as large as the one here, {often} four of five such studies confirm it."


def too_aggressive(e: Evidence) -> list[Diagnosis]:
    """Find arms whose training score lags the baseline while the validation score certainly does not improve."""
    moved = {label for d in misplaced(e) for label in d.arms[:1]}
    validation, scores = e.against(e.measure.on("val")), e.against(e.score)
    told = []
    for label, train in e.against(e.measure.on("train")).items():
        val = validation.get(label) if e.regularized(label) else None
        if val is None or train.verdict != "worse" or not val.not_better or label in moved:
            continue
        if label in scores and scores[label].verdict == "better":
            continue
        what = "gets worse too" if val.verdict == "worse" else "does not improve by an amount that matters"
        says = (
            f"{label} lags in training, where it is scored with the noise off: {train}, {p_of(train)}; "
            f"validation {what}: {val}."
        )
        advice, steps = _milder(e, label)
        buys = f"That shows whether a weaker version does better than {e.comparison.base} in validation."
        told.append(Diagnosis("too aggressive", (label,), says, advice, steps, buys * bool(steps)))
    return told


def _milder(e: Evidence, label: str) -> tuple[str, tuple[Step, ...]]:
    """Return what to try instead of an arm that is too aggressive: the advice, and the runs that it takes."""
    if e.learned(label):
        milder, passed = None, list[str]()
    else:
        milder, passed = remedies.weaker(e.configs[label], {o: e.configs[o] for o in e.others})
    if milder is None:
        return "this arm has no rate to lower: weaken the regularizer", ()
    advice = "halve the rate"
    if passed:
        advice += (
            f" more than once, since {', '.join(passed)} {'is' if len(passed) == 1 else 'are'} in the table already"
        )
    return advice, (Step(milder, e.seeds(label)),)


def misplaced(e: Evidence) -> list[Diagnosis]:
    """Find arms that differ only in placement where one hurts validation, and another does not and certainly beats it."""
    measure, told = e.measure.on("val"), []
    val = e.against(measure)
    sound = [label for label, c in val.items() if c.not_worse]
    for label, harm in val.items():
        if harm.verdict != "worse":
            continue
        peers = [
            o
            for o in sound
            if remedies.same_rates(e.configs[o], e.configs[label])
            and remedies.placement(e.configs[o]) != remedies.placement(e.configs[label])
        ]
        if not peers:
            continue
        asked = [Minus(o, label, measure) for o in peers]
        apart = dict(zip(peers, judged(asked, e.comparison.scores, harm.region, e.comparison.diverged), strict=True))
        better = [o for o, c in apart.items() if c.verdict == "better"]
        if not better:
            continue
        best = max(better, key=lambda o: measure.direction * apart[o].difference.mean)
        says = (
            f"{label} hurts validation: {harm}, {p_of(harm)}; {best}, which acts at other sites, does not: "
            f"{val[best]}, and is better than {label} by {apart[best]}."
        )
        steps = tuple(_rates_around(e, best))
        advice = f"use the sites of {best}" + ("; then look for the best rate there" if steps else "")
        buys = f"That shows whether another rate does better in validation than {best}."
        told.append(Diagnosis("misplaced", (label, best), says, advice, steps, buys * bool(steps)))
    return told


def slower(e: Evidence) -> list[Diagnosis]:
    """Find arms that are certainly not worse in validation, but certainly later at the score that both arms reach.

    For each seed, that score is the lower of the two arms' best scores, which is the baseline's best score if the arm reaches
    it. An arm that stays just below it, as half of all arms would by chance, is compared at the score that it reached instead
    of counting as `never`.
    """
    measure = e.measure.on("val")
    validation = e.against(measure)
    ours = {label: c for label, c in validation.items() if c.not_worse and e.regularized(label)}
    epochs = {label: both for label in ours if (both := _epochs(e, label, measure))}
    told = []
    for label, both in epochs.items():
        usual, later = (sum(side.values()) / len(side) for side in (both[e.baseline], both[label]))
        delay = _delay(Minus(label, e.baseline, EPOCHS), both, max(1.0, SLOWER * usual))
        # Each arm is compared with its own set of baseline epochs, so the correction over arms is made here, by Bonferroni.
        if delay.verdict != "worse" or delay.difference.p_adjusted * len(epochs) > ALPHA:
            continue
        better = "better" if validation[label].direction == "better" and validation[label].confirmed else "not worse"
        says = (
            f"{label} is {better} in validation ({validation[label]}), but takes {later:.1f} epochs to reach the score "
            f"that the baseline reaches in {usual:.1f}: {delay} epochs."
        )
        advice, change = "a higher learning rate may make up for it (Srivastava et al. 2014, A.2)", remedies.faster
        buys = f"That shows whether {label} can be as fast as {e.baseline}."
        if ends_at_best(list(e.curves(label).values()), measure):
            advice, change = (
                "it may still have been improving at the end: train both for twice as long",
                remedies.longer,
            )
            buys = f"That shows whether {label} ends ahead of {e.baseline} if both train long enough."
        steps = tuple(Step(change(e.configs[o]), e.seeds(label)) for o in (e.baseline, label))
        told.append(Diagnosis("slower but not worse", (label,), says, advice, steps, buys))
    return told


def _delay(asked: Minus, epochs: Mapping[str, Scores], region: float) -> Contrast:
    """Return the contrast of two arms' epochs. epochs: by arm and seed."""
    (delay,) = judged([asked], lambda arm, _: epochs[arm], region)
    return delay


def _epochs(e: Evidence, label: str, measure: Measure) -> dict[str, Scores] | None:
    """Return, by arm and seed, the first epoch with the score that the arm and the baseline both reach."""
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
    """Find arms, the baseline among them, with many runs that diverged or had a spike of the loss or of the gradient."""
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
        # Gradients of diverged runs do not show how large a step should be.
        whole = [c for seed, c in e.curves(label).items() if seed not in trouble["diverged"]]
        norms = [v for c in whole for v in c.get("grad_norm", ()) if math.isfinite(v)]
        capped = remedies.clipped(e.configs[label], norms)
        if 2 * len(trouble["diverged"]) >= n and e.configs[label]["train"].get("lr"):
            advice = "use a tenth of the learning rate"
            steps = [Step(remedies.much_gentler(e.configs[label]), e.seeds(label))]
        elif capped is not None:
            advice = "clip the gradient at its median norm"
            steps = [Step(capped, e.seeds(label))]
        else:
            advice = "the gradient is clipped already: halve the learning rate"
            steps = [Step(remedies.gentler(e.configs[o]), e.seeds(label)) for o in dict.fromkeys((e.baseline, label))]
        buys = f"That shows whether {label} then trains without breaking down, and what it scores."
        told.append(Diagnosis("unstable", (label,), says, advice, tuple(steps), buys))
    return told


def undecided(e: Evidence, but: Collection[str] = ()) -> list[Diagnosis]:
    """Find the arms whose verdict is not confirmed, and say how many more seeds may settle it.

    but: arms for which another rule already proposes something better.
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
        f"{label} {c}" + (f", {p_of(c)}" if (d := c.difference).p_adjusted == d.p_adjusted else "")
        for label, c in list(unsettled.items())[:3]
    )
    rest = f"; and {count(len(unsettled) - 3, 'more arm')}" if len(unsettled) > 3 else ""
    pairs = max(c.difference.n for c in unsettled.values())
    few = f" A confirmed verdict takes six seeds; here are {pairs}." if pairs < MIN_PAIRS else ""
    size = e.score.size(next(iter(unsettled.values())).region)
    says = f"It is still open whether {e.score.spoken} changes by more than {size}: {shown}{rest}.{few}"
    return [Diagnosis("undecided", tuple(unsettled), says, *_to_settle(e, unsettled, pairs))]


def _to_settle(e: Evidence, unsettled: Mapping[str, Contrast], pairs: int) -> tuple[str, tuple[Step, ...], str]:
    """Return what would settle these contrasts of `pairs` pairs: the advice, its runs, and what they would show."""
    apart = [label for label, c in unsettled.items() if not c.difference.pairs]
    if apart:
        steps = tuple(Step(e.configs[label], e.seeds(e.baseline)) for label in apart)
        buys = "That makes pairs, in which the effect of the seed cancels out."
        return "run these arms under the baseline's seeds", steps, buys
    more, reach = remedies.more_seeds(list(unsettled.values()), MANY_SEEDS)
    if not more:
        takes, possible = remedies.it_would_take(unsettled)
        return f"{'train more seeds only if they cost little' if possible else 'stop here'}: {takes}", (), ""
    arms = [label for label, yes in zip(unsettled, reach, strict=True) if yes]
    first = max(e.seeds(e.baseline)) + 1
    size = next(iter(unsettled.values()))
    differ = f"differs by more than {size.measure.size(size.region)}"
    which = "are still open" if len(arms) == len(unsettled) else "this would settle"
    who = ", ".join(arms) if len(arms) <= NAMED else f"the {len(arms)} arms that {which}"
    each = f"whether {arms[0]} {differ}" if len(arms) == 1 else f"which of {who} {differ}"
    buys = f"That would settle {each}: four of five such studies confirm it{', for each' * (len(arms) > 1)}."
    if (best := remedies.best_mean(unsettled)) not in arms:
        buys += f" Not {best}, which has the best mean: {remedies.it_would_take(unsettled)[0]}."
    if pairs < MIN_PAIRS:
        buys = "That is enough for a first verdict, which may still be that it cannot tell."
    of = f"{who} and {e.baseline}" if len(arms) <= NAMED else f"{e.baseline} and {who}"
    advice = f"{more} more {plural(more, 'seed')} of {of}, decided on before looking again"
    steps = tuple(Step(e.configs[o], tuple(range(first, first + more))) for o in (e.baseline, *arms))
    return advice, steps, buys


def _trouble(e: Evidence, label: str) -> dict[str, set[int]]:
    """Return the seeds of an arm's unstable runs, by the kind of trouble."""
    rows = e.comparison.runs_of(label)
    epochs = e.known(label)
    # With class weights, training minimizes another loss than the one that is measured, which may rise meanwhile.
    measured = e.configs[label]["train"].get("class_weights") is None
    spiked = {seed for seed, known in epochs.items() if measured and known.spiked}
    # What a score without a value stopped is no fault of training.
    lost = rows[(rows["status"] == "diverged") & ~rows["reason"].astype(str).str.endswith(UNDEFINED)]
    return {
        "diverged": {int(s) for s in lost["seed"]},
        "with a spike of the training loss": spiked,
        "with a burst of the gradient": {seed for seed, known in epochs.items() if known.burst},
    }


def _rates_around(e: Evidence, label: str) -> list[Step]:
    """Return steps with the arm at neighbouring rates that were not run yet; none if the arm learns its rates."""
    if e.learned(label):
        return []
    return [Step(c, e.seeds(label)) for c in remedies.other_rates(e.configs[label], [e.configs[o] for o in e.others])]

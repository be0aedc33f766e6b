"""Warnings about runs that are tested at their last epoch: too early, long after their best one, or while it is not steady."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from statistics import fmean, median

import numpy as np
import pandas as pd

from dropbench.report.records.frame import known
from dropbench.report.records.measures import Measure
from dropbench.report.statistics.interval import MIN_PAIRS
from dropbench.report.tables.comparison import Comparison, Diagnosis
from dropbench.report.tables.repeats import under_fresh_seeds
from dropbench.store.epochs import Epochs
from dropbench.values import absent, number

PAST_BEST = "trained past its best"
"""The name of the warning about a baseline that is tested long after its best epoch."""
IMPROVING = "still improving at its end"
"""The name of the warning about a baseline that would improve if it were trained for longer."""
PATIENCE, MONITOR, WEIGHTS = "train.patience", "train.monitor", "train.class_weights"
_OWN = ("label", "seed", "run_id")
REBOUND = 4.0
"""How many times its lowest value before the training loss has to rise to. Where it rose to three times that, scores were the
same with sums rounded otherwise; where it rose to 4.4 times and more, they were not (results/reference/unsteady_ends.md)."""
SHARE = 0.25
"""The share of the variance between seeds that has to be there from one epoch to the next, before jumps matter to a verdict."""
LATE = 0.95
"""The share of training from which on a best epoch counts as its end."""
_SHORTEST = 5
"""The number of epochs below which a best epoch says little."""
_SPOKEN = 3
"""The number of arms that a sentence names."""


def overtrained(comparison: Comparison) -> Iterator[Diagnosis]:
    """Warn if an arm does better than a baseline that is tested long after its best epoch: stopping earlier may do as much."""
    baseline = comparison.baseline
    told = {**comparison.verdicts, **under_fresh_seeds(comparison)}
    better = [label for label, c in told.items() if c.direction == "better"]
    if baseline is None or not better or "best_epoch" not in comparison.runs:
        return
    runs = comparison.done(baseline)
    runs = runs[runs["best_epoch"].notna()]
    stops = PATIENCE in runs and any(map(_stops, runs[PATIENCE].tolist()))
    if runs.empty or stops or (runs["chosen_epoch"] != runs["epochs_run"]).any():
        return
    best, last = float(runs["best_epoch"].median()), float(runs["epochs_run"].median())
    if last < _SHORTEST or best > last / 2:
        return
    yield Diagnosis(
        PAST_BEST,
        (baseline, *better),
        f"The baseline ({comparison.base}) had its best {_score(runs)} in epoch {best:g} of {last:g} (median), and is tested "
        "at the last epoch. "
        f"{' and '.join(better[:3])} may do better only because {'it overfits' if len(better) == 1 else 'they overfit'} later.",
        f"{PATIENCE} stops each run early and tests it at its own best epoch",
        options=(f"{PATIENCE}={max(2, round(last / 5))}",),
    )


def unfinished(comparison: Comparison) -> Iterator[Diagnosis]:
    """Warn if the baseline's validation score is best at the end of training, so that it would improve further.

    Dropout slows training, so that at such an end an arm with dropout may be behind which would be ahead later. With a schedule
    of the learning rate, training is meant to be best at its end.
    """
    baseline = comparison.baseline
    if baseline is None or not comparison.verdicts or "best_epoch" not in comparison.runs:
        return
    runs = comparison.done(baseline)
    runs = runs[runs["best_epoch"].notna()]
    stops = PATIENCE in runs and any(map(_stops, runs[PATIENCE].tolist()))
    if runs.empty or stops or any(v != "constant" for v in runs.get("train.schedule", ["constant"])):
        return
    best, last = float(runs["best_epoch"].median()), float(runs["epochs_run"].median())
    if last < _SHORTEST or best < LATE * last or "train.epochs" not in runs:
        return
    epochs = round(2 * last)
    yield Diagnosis(
        IMPROVING,
        (baseline,),
        f"The baseline ({comparison.base}) had its best {_score(runs)} in epoch {best:g} of {last:g} (median), so it would "
        "probably improve if it were trained for longer. Dropout slows training: an arm that is behind now may be ahead then.",
        f"train.epochs={epochs} {PATIENCE}={max(2, round(epochs / 5))} trains for longer, and tests each run at its best epoch",
        options=(f"train.epochs={epochs}", f"{PATIENCE}={max(2, round(epochs / 5))}"),
    )


def _score(runs: pd.DataFrame) -> str:
    return "validation loss" if MONITOR not in runs or set(runs[MONITOR]) == {"val_loss"} else "validation score"


def unsteady(comparison: Comparison, epochs: Mapping[str, Epochs]) -> Iterator[Diagnosis]:
    """Warn if the training loss of an arm jumps near the end of training, and the validation score with it.

    epochs: what is known of each run's history, by run id.
    """
    baseline, measure = comparison.baseline, comparison.measure
    if baseline is None or measure is None or measure.part not in ("test", "val"):
        return
    score = measure.on("val")
    ends = _ends(comparison.runs, epochs, score)
    rises = {label: _rise(runs) for label, runs in ends.items() if len(runs) >= MIN_PAIRS}
    loose = {label for label, rise in rises.items() if rise >= REBOUND}
    moved = [o for o in comparison.others if {o, baseline} & loose and _matters(comparison, o, ends, score)]
    if not moved:
        return
    arms = sorted(loose & {*moved, baseline}, key=lambda label: -rises[label])
    option, does = _remedy(comparison)
    yield Diagnosis(
        "unsteady at its end",
        (*arms, *(label for label in moved if label not in loose)),
        f"{_seen(comparison, arms, ends, score)} Each run is tested at its last epoch, wherever in such a jump that falls. "
        "Rounding decides when the jumps come: under the same seeds another processor gives other scores, and perhaps another "
        "verdict.",
        f"{option} {does}",
        options=(option,),
    )


def _stops(patience: object) -> bool:
    return (number(patience) or 0) > 0


def _ends(runs: pd.DataFrame, epochs: Mapping[str, Epochs], score: Measure) -> dict[str, dict[int, Epochs]]:
    """Return what is known of the ends of runs that were tested there, by label and seed."""
    ends: dict[str, dict[int, Epochs]] = {str(label): {} for label in runs["label"].unique()}
    if not any((epochs[run].rebound or 0.0) >= REBOUND for run in runs["run_id"] if run in epochs):
        return ends  # most reports end here, however many runs they have
    tested = runs[(runs["status"] == "completed") & (runs["chosen_epoch"] == runs["epochs_run"])]
    columns = (tested[key].tolist() if key in tested else [None] * len(tested) for key in (*_OWN, PATIENCE, WEIGHTS))
    for label, seed, run, patience, weights in zip(*columns, strict=True):
        # With class weights, training minimizes another loss than the one that is measured, which may rise meanwhile.
        if run not in epochs or _stops(patience) or not (weights is None or absent(weights)):
            continue
        end = epochs[run]
        if end.rebound is not None and math.isfinite(end.moves.get(str(score), math.nan)):
            ends[label][int(seed)] = end
    return ends


def _rise(runs: Mapping[int, Epochs]) -> float:
    """Return the median over an arm's runs of how far the training loss rises near the end."""
    return median([e.rebound for e in runs.values() if e.rebound is not None])


def _matters(comparison: Comparison, label: str, ends: Mapping[str, Mapping[int, Epochs]], score: Measure) -> bool:
    """Return whether a good part of the variance of the differences between seeds is there from one epoch to the next.

    A score that is a level plus independent noise of variance v in each epoch changes by 2 v from one epoch to the next, in
    mean squares. Jumps of arm and baseline are independent, so their variances add in the difference.
    """
    baseline = str(comparison.baseline)
    ours, theirs = (comparison.scores(one, score) for one in (label, baseline))
    seeds = sorted(ours.keys() & theirs.keys() & ends[label].keys() & ends[baseline].keys())
    apart = [ours[s] - theirs[s] for s in seeds]
    if len(seeds) < MIN_PAIRS or not all(map(math.isfinite, apart)):
        return False
    within = sum(fmean(ends[one][s].moves[str(score)] for s in seeds) / 2 for one in (label, baseline))
    return within > 0 and within >= SHARE * float(np.var(apart, ddof=1))


def _seen(comparison: Comparison, arms: Sequence[str], ends: Mapping[str, Mapping[int, Epochs]], score: Measure) -> str:
    """Say how far the loss of these arms rises and how their score moves, with the baseline to compare. arms: labels."""
    told = list(dict.fromkeys([*arms[:_SPOKEN], str(comparison.baseline)]))
    rises = [
        f"{_times(_rise(ends[label]))} times{'' if i else ' its lowest value before'} in {label}"
        for i, label in enumerate(told)
    ]
    steps = [
        f"{score.scale * math.sqrt(fmean(e.moves[str(score)] for e in ends[label].values())):.2g}" for label in told
    ]
    more = f"; {len(arms) - _SPOKEN} more arms are unsteady too" if len(arms) > _SPOKEN else ""
    often = all(number(v) == 1 for v in comparison.runs.get("train.eval_every", [1]))
    return (
        f"In the last quarter of the epochs the training loss rises to {_and(rises)} (median over runs{more}). From one "
        f"{'epoch' if often else 'evaluation'} to the next, {score.spoken} moves by {f'{_and(steps)} {score.points}'.rstrip()}."
    )


def _remedy(comparison: Comparison) -> tuple[str, str]:
    """Return the option that makes the end steadier, and what it does.

    The first trains the same networks and changes only which weights are tested; the others also change how training goes.
    """
    runs = comparison.runs
    if not any(known(runs, c) for c in map(str, runs) if c.startswith("regularizer.")):  # would be replaced
        return "regularizer=swa", "tests each run with the mean of its weights over the last quarter of training"
    if all(v == "constant" for v in runs.get("train.schedule", ["constant"])):
        return "train.schedule=cosine", "lets the learning rate fall to 0"
    patience = max(2, round(float(runs["epochs_run"].median()) / 5))
    return f"{PATIENCE}={patience}", "stops each run early and tests it at its own best epoch"


def _times(ratio: float) -> str:
    return f"{ratio:.1f}" if ratio < 10 else f"{ratio:,.0f}"


def _and(words: Sequence[str]) -> str:
    return " and ".join(filter(None, (", ".join(words[:-1]), words[-1])))

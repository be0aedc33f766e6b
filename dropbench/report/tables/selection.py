"""Which strength of each regularizer is best on validation data, none among them, and what that one scores on test data.

The rule: of the arms of one sweep that differ in nothing but strengths (a rate is dropout's), and of those beside them that go
without, the one with the best mean validation score over the seeds that all of them have. Other sweeps in a folder have no part
in it: sweeps with the same arms are one, of others each has its choice. An arm of which more seeds diverged than of another is
not among them: a mean of those that are left is no merit. Only then is the test score looked at.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass

import pandas as pd

from dropbench.report.records.measures import Measure
from dropbench.report.tables.arms import Arm
from dropbench.report.tables.families import RATE, Family, families


@dataclass(frozen=True)
class Choice:
    """variant: what the strengths are of, a variant of dropout, another regularizer, or several. strengths: their keys.

    chosen: an arm's label. of: the labels to choose from. seeds: common to all of them.

    rule: the measure that decided, `val_accuracy`; score: its mean. test: the measure that is then shown, with its mean and sd
    (ddof 1, NaN of one seed) over the same seeds. Fractions and nats. unsafe: labels that were out of the question, since more
    of their seeds diverged. idle: whether the chosen arm goes without what the strengths
    are of, or some of it.
    """

    variant: str
    strengths: tuple[str, ...]
    chosen: str
    of: tuple[str, ...]
    seeds: tuple[int, ...]
    rule: Measure
    score: float
    test: Measure
    test_mean: float
    test_sd: float
    unsafe: tuple[str, ...] = ()
    idle: bool = False

    @property
    def word(self) -> str:
        """What is chosen."""
        return "rate" if self.strengths == (RATE,) else "strength"


def word(choices: Sequence[Choice]) -> str:
    """What is chosen in all of them."""
    return "rate" if all(c.word == "rate" for c in choices) else "strength"


def choices(
    runs: pd.DataFrame, arms: Sequence[Arm], measure: Measure | None, sweeps: Sequence[Collection[str]] = ()
) -> list[Choice]:
    """One for each regularizer, or several together, of which a sweep has several strengths.

    Parameters
    ----------
    runs : DataFrame
        Of one comparison, with `label`.
    arms : sequence
        In the table's order.
    measure : Measure or None
        What the verdict is about; the choice is by the same metric on validation data. None where nothing was measured on
        both, or where it is not known which way is better.
    sweeps : sequence of collections
        The run ids of each sweep, oldest first; runs that are in none are one more. None at all where all runs are of one.
    """
    if measure is None or not (sign := measure.on("val").direction):
        return []
    rule, test = measure.on("val"), measure.on("test")
    if str(rule) not in runs or str(test) not in runs:
        return []
    found = []
    for family in families(runs, arms):
        of_family = [
            choice
            for rows in _by_sweep(runs, family, sweeps)
            if (choice := _choice(rows, family, sign, rule, test)) is not None
        ]
        found += [c for c in of_family if not any(_within(c, other) for other in of_family)]
    return found


def _choice(rows: pd.DataFrame, family: Family, sign: int, rule: Measure, test: Measure) -> Choice | None:
    """Of the arms of one sweep."""
    labelled = set(rows["label"])
    there = [label for label in (*family.idle, *family.labels) if label in labelled]
    labels = safest(rows, there)
    unsafe = tuple(label for label in there if label not in labels)
    done = rows[rows["status"] == "completed"]
    scores = _common(done, labels, rule)
    if len(scores.columns) + len(unsafe) < 2 or scores.empty:
        return None
    means = sign * scores[[label for label in labels if label in scores]].mean()
    chosen = str(means.idxmax())
    ours = done[(done["label"] == chosen) & done["seed"].isin(scores.index)][str(test)]
    return Choice(
        family.name,
        family.strengths,
        chosen,
        (*(label for label in labels if label in scores), *unsafe),
        tuple(int(s) for s in scores.index),
        rule,
        float(sign * means[chosen]),
        test,
        float(ours.mean()),
        float(ours.std(ddof=1)) if len(ours) > 1 else math.nan,
        unsafe,
        chosen in family.idle,
    )


def _common(done: pd.DataFrame, labels: Sequence[str], rule: Measure) -> pd.DataFrame:
    """The scores of these arms by seed, a column an arm, of the seeds that all of them have."""
    return done[done["label"].isin(labels)].pivot(index="seed", columns="label", values=str(rule)).dropna()


def _by_sweep(runs: pd.DataFrame, family: Family, sweeps: Sequence[Collection[str]]) -> Iterator[pd.DataFrame]:
    """The runs of a family in each sweep that has several of its strengths; sweeps with the same arms are one.

    A sweep without an arm that goes without takes one of another sweep, if that has all of the seeds that its strengths share:
    going without is always among what is chosen from, and never makes the seeds fewer.
    """
    whole = runs[runs["label"].isin([*family.labels, *family.idle])]
    planned = set().union(*sweeps) if sweeps else set()
    rest = set(whole["run_id"]) - planned
    by_arms: dict[frozenset[str], set[str]] = {}
    for ids in (*map(set, sweeps), rest):
        labels = frozenset(whole.loc[whole["run_id"].isin(ids), "label"])
        if len(labels & set(family.labels)) > 1:
            by_arms.setdefault(labels, set()).update(ids)
    for labels, ids in by_arms.items():
        rows = whole[whole["run_id"].isin(ids)]
        if labels.isdisjoint(family.idle):
            rows = pd.concat([rows, _idle_beside(whole, rows, family)])
        yield rows


def _idle_beside(whole: pd.DataFrame, rows: pd.DataFrame, family: Family) -> pd.DataFrame:
    """The runs of an arm that goes without under all seeds that the strengths in `rows` share; none without such an arm."""
    done = rows[rows["status"] == "completed"]
    by_label = done.groupby("label")["seed"].agg(set)
    seeds = set.intersection(*by_label) if len(by_label) else set()
    for label in family.idle:
        ours = whole[(whole["label"] == label) & whole["seed"].isin(seeds)]
        if seeds and set(ours.loc[ours["status"] == "completed", "seed"]) == seeds:
            return ours
    return whole[:0]


def _within(choice: Choice, other: Choice) -> bool:
    """Whether another choice was from all that this one was from, and more, under all of its seeds."""
    return set(choice.of) < set(other.of) and set(choice.seeds) <= set(other.seeds)


def safest(runs: pd.DataFrame, labels: Sequence[str]) -> list[str]:
    """Those of which the smallest share of seeds diverged."""
    of_label = runs.loc[runs["label"].isin(labels) & runs["status"].isin(["completed", "diverged"])]
    shares = (of_label["status"] == "diverged").groupby(of_label["label"]).mean()
    return [label for label in labels if label not in shares or shares[label] == shares.min()]

"""The choice of each regularizer's strength by validation score, and the test score of the chosen arm.

The candidates are the arms of one sweep that differ only in strengths (for dropout, the rate) and in what was tuned for each
of them, and the arms that go without the regularizer. The arm with the best mean validation score over the seeds that all
candidates have is chosen. Each sweep in a folder has its own choice; sweeps with the same arms count as one. An arm with a
larger share of diverged seeds than another is not a candidate, because the mean of its remaining seeds is not comparable. The
test score is read only after the choice.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass

import pandas as pd

from dropbench.report.records.measures import Measure
from dropbench.report.statistics import moments
from dropbench.report.tables.arms import Arm
from dropbench.report.tables.families import RATE, Family, families


@dataclass(frozen=True)
class Choice:
    """A choice of a strength.

    variant: the variant of dropout, the other regularizer, or several, whose strength is chosen. strengths: the keys of the
    strengths. chosen: the label of the chosen arm. of: the labels of all candidates. seeds: the seeds that all of them have.

    rule: the measure that decided, such as `val_accuracy`; score: its mean. test: the measure that is then shown, with its mean
    and sd (ddof 1, NaN with one seed) over the same seeds. Values are fractions and nats. unsafe: labels excluded because more
    of their seeds diverged. idle: whether the chosen arm goes without the regularizer, or without some of several.
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
        """The word for the chosen quantity: `rate` or `strength`."""
        return "rate" if self.strengths == (RATE,) else "strength"


def word(choices: Sequence[Choice]) -> str:
    """Return the word for what is chosen in all of them: `rate` or `strength`."""
    return "rate" if all(c.word == "rate" for c in choices) else "strength"


def choices(
    runs: pd.DataFrame,
    arms: Sequence[Arm],
    measure: Measure | None,
    sweeps: Sequence[Collection[str]] = (),
    tuned: Mapping[str, Collection[str]] | None = None,
) -> list[Choice]:
    """Return one Choice for each regularizer, or combination of several, of which a sweep has several strengths.

    Parameters
    ----------
    runs : DataFrame
        The runs of one comparison, with the column `label`.
    arms : sequence
        The arms, in the table's order.
    measure : Measure or None
        The verdict's measure; the choice is by the same metric on validation data. Without a measure, or if it has no known
        better direction, there is no choice.
    sweeps : sequence of collections
        The run ids of each sweep, oldest first; runs in no sweep form one more. Empty if all runs belong to one sweep.
    tuned : mapping, optional
        By label, the keys that were tuned for an arm by itself; candidates may differ in them.
    """
    if measure is None or not (sign := measure.on("val").direction):
        return []
    rule, test = measure.on("val"), measure.on("test")
    if str(rule) not in runs or str(test) not in runs:
        return []
    found = []
    for family in families(runs, arms, tuned):
        of_family = [
            choice
            for rows in _by_sweep(runs, family, sweeps)
            if (choice := _choice(rows, family, sign, rule, test)) is not None
        ]
        found += [c for c in of_family if not any(_within(c, other) for other in of_family)]
    return found


def best_of(runs: pd.DataFrame, labels: Sequence[str], measure: Measure) -> str | None:
    """Return the arm with the best mean on validation data over the seeds that all of these arms have; None if unknown.

    It passes over arms of which a larger share of seeds diverged. The parameters are those of `choices`.
    """
    rule = measure.on("val")
    if not rule.direction or str(rule) not in runs:
        return None
    scores = _common(runs[runs["status"] == "completed"], safest(runs, labels), rule)
    return None if scores.empty else str((rule.direction * scores.mean()).idxmax())


def _choice(rows: pd.DataFrame, family: Family, sign: int, rule: Measure, test: Measure) -> Choice | None:
    """Return the choice among the arms of one sweep; None if there are fewer than two candidates or no common seed."""
    labelled = set(rows["label"])
    there = [label for label in (*family.idle, *family.labels) if label in labelled]
    labels = safest(rows, there)
    unsafe = tuple(label for label in there if label not in labels)
    done = rows[rows["status"] == "completed"]
    scores = _common(done, labels, rule)
    if len(scores.columns) + len(unsafe) < 2 or scores.empty:
        return None
    means = {label: moments.mean(scores[label]) for label in labels if label in scores}
    chosen = max(means, key=lambda label: sign * means[label])  # of equal ones the first
    ours = done[(done["label"] == chosen) & done["seed"].isin(scores.index)][str(test)]
    return Choice(
        family.name,
        family.strengths,
        chosen,
        (*(label for label in labels if label in scores), *unsafe),
        tuple(int(s) for s in scores.index),
        rule,
        means[chosen],
        test,
        moments.mean(ours),
        moments.sd(ours),
        unsafe,
        chosen in family.idle,
    )


def _common(done: pd.DataFrame, labels: Sequence[str], rule: Measure) -> pd.DataFrame:
    """Return the scores of these arms, one column per arm, with one row per seed that all of them have."""
    return done[done["label"].isin(labels)].pivot(index="seed", columns="label", values=str(rule)).dropna()


def _by_sweep(runs: pd.DataFrame, family: Family, sweeps: Sequence[Collection[str]]) -> Iterator[pd.DataFrame]:
    """Iterate over the runs of a family in each sweep that has several of its strengths; sweeps with the same arms are one.

    If a sweep has no arm without the regularizer, such an arm is taken from another sweep, provided that it has all seeds that
    the strengths share. It is then among the candidates without reducing the number of common seeds.
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
    """Return the runs of an arm without the regularizer under all seeds that the strengths in `rows` share; empty if none."""
    done = rows[rows["status"] == "completed"]
    by_label = done.groupby("label")["seed"].agg(set)
    seeds = set.intersection(*by_label) if len(by_label) else set()
    for label in family.idle:
        ours = whole[(whole["label"] == label) & whole["seed"].isin(seeds)]
        if seeds and set(ours.loc[ours["status"] == "completed", "seed"]) == seeds:
            return ours
    return whole[:0]


def _within(choice: Choice, other: Choice) -> bool:
    """Return whether another choice has all candidates of this one and more, and all of its seeds."""
    return set(choice.of) < set(other.of) and set(choice.seeds) <= set(other.seeds)


def safest(runs: pd.DataFrame, labels: Sequence[str]) -> list[str]:
    """Return the labels with the smallest share of diverged seeds, and those without a completed or diverged run."""
    of_label = runs.loc[runs["label"].isin(labels) & runs["status"].isin(["completed", "diverged"])]
    shares = (of_label["status"] == "diverged").groupby(of_label["label"]).mean()
    return [label for label in labels if label not in shares or shares[label] == shares.min()]

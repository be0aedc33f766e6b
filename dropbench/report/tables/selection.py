"""Which rate of each variant is best on validation data, none among them, and what that one scores on test data.

The rule: of the arms of one sweep that differ in nothing but their rates, and of no dropout beside them, the one with the best
mean validation score over the seeds that all of them have. Other sweeps in a folder have no part in it: sweeps with the same
arms are one, of others each has its choice. An arm of which more seeds diverged than of another is not among them: a mean of
those that are left is no merit. Only then is the test score looked at.
"""

from __future__ import annotations

import math
import re
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass

import pandas as pd

from dropbench.report.records.frame import rows_of, setting_keys
from dropbench.report.records.measures import Measure
from dropbench.report.tables.arms import IN_WORDS, Arm, Row, as_settings, silent, tells
from dropbench.values import absent, written

RATES = re.compile(r"dropout\.(?:[^.]+\.)?rates?")


@dataclass(frozen=True)
class Choice:
    """variant: what the rates are of. chosen: an arm's label. of: the labels to choose from. seeds: common to all of them.

    rule: the measure that decided, `val_accuracy`; score: its mean. test: the measure that is then shown, with its mean and sd
    (ddof 1, NaN of one seed) over the same seeds. Fractions and nats. unsafe: labels that were out of the question, since more
    of their seeds diverged. idle: whether the chosen arm drops nothing.
    """

    variant: str
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


@dataclass(frozen=True)
class _Family:
    """Arms that differ in nothing but their rates, and those like them that drop nothing; labels in the table's order."""

    variant: str
    labels: tuple[str, ...]
    idle: tuple[str, ...]


def choices(
    runs: pd.DataFrame, arms: Sequence[Arm], measure: Measure | None, sweeps: Sequence[Collection[str]] = ()
) -> list[Choice]:
    """One for each variant of which a sweep has several rates.

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
    for family in _families(runs, arms):
        of_family = [
            choice
            for rows in _by_sweep(runs, family, sweeps)
            if (choice := _choice(rows, family, sign, rule, test)) is not None
        ]
        found += [c for c in of_family if not any(_within(c, other) for other in of_family)]
    return found


def _choice(rows: pd.DataFrame, family: _Family, sign: int, rule: Measure, test: Measure) -> Choice | None:
    """Of the arms of one sweep."""
    there = [label for label in (*family.idle, *family.labels) if (rows["label"] == label).any()]
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
        family.variant,
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


def _by_sweep(runs: pd.DataFrame, family: _Family, sweeps: Sequence[Collection[str]]) -> Iterator[pd.DataFrame]:
    """The runs of a family in each sweep that has several of its rates; sweeps with the same arms are one.

    A sweep without an arm that drops nothing takes one of another sweep, if that has all of the seeds that its rates share: no
    dropout is always among what is chosen from, and never makes the seeds fewer.
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


def _idle_beside(whole: pd.DataFrame, rows: pd.DataFrame, family: _Family) -> pd.DataFrame:
    """The runs of an arm that drops nothing under all seeds that the rates in `rows` share; none where there is no such arm."""
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


def _families(runs: pd.DataFrame, arms: Sequence[Arm]) -> list[_Family]:
    """Of the arms that are the same but for their rates, where there are several; in the table's order."""
    keys = [k for k in setting_keys(runs) if not RATES.fullmatch(k)]
    beside = [k for k in keys if not k.startswith("dropout.")]
    firsts = {row["label"]: row for row in rows_of(runs.drop_duplicates("label"))}

    def same(row: Row, keys: Sequence[str]) -> tuple[str, ...]:
        return tuple("" if absent(row[k]) else written(row[k]) for k in keys)

    families: dict[tuple[str, ...], list[str]] = {}
    idle: dict[tuple[str, ...], list[str]] = {}
    for arm in arms:
        row = firsts[arm.label]
        if silent(row):
            idle.setdefault(same(row, beside), []).append(arm.label)
        else:
            families.setdefault(same(row, keys), []).append(arm.label)
    several = [labels for labels in families.values() if len(labels) > 1]
    rows = [firsts[labels[0]] for labels in several]
    return [
        _Family(_variant(row, rows, keys), tuple(labels), tuple(idle.get(same(row, beside), ())))
        for row, labels in zip(rows, several, strict=True)
    ]


def _variant(row: Row, rows: Sequence[Row], keys: Sequence[str]) -> str:
    """The variant's name, with its schedule, its placement and what else differs where another family has the same name."""
    name = written(row["dropout.name"])
    alike = [other for other in rows if other["dropout.name"] == row["dropout.name"]]
    if len(alike) == 1:
        return name
    more = [row.get(k) for k in ("dropout.schedule.name", "dropout.placement")]
    words = [name, *(written(v) for v in more if v is not None and not absent(v) and v != "constant")]
    differ = as_settings(row, [k for k in keys if not IN_WORDS.fullmatch(k) and tells(row, alike, k)])
    return " ".join([*words, *[differ] * bool(differ)])

"""Which rate of each variant is best on validation data, and what that one scores on test data.

The rule: of the arms that drop something and differ in nothing but their rates, the one with the best mean validation score
over the seeds that all of them have. An arm of which more seeds diverged than of another is not among them: a mean of those
that are left is no merit. Only then is the test score looked at.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import pandas as pd

from dropbench.report.records.frame import config_keys, rows_of
from dropbench.report.records.measures import Measure
from dropbench.report.tables.arms import Arm, Row, belongs_to_arm, silent
from dropbench.values import absent, written

RATES = ("dropout.rate", "dropout.rates")


@dataclass(frozen=True)
class Choice:
    """variant: what the rates are of. chosen: an arm's label. of: the labels to choose from. seeds: common to all of them.

    rule: the measure that decided, `val_accuracy`; score: its mean. test: the measure that is then shown, with its mean and sd
    (ddof 1, NaN of one seed) over the same seeds. Fractions and nats. unsafe: labels that were out of the question, since more
    of their seeds diverged.
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


def choices(runs: pd.DataFrame, arms: Sequence[Arm], measure: Measure | None) -> list[Choice]:
    """One for each variant of which there are several rates. runs: of one comparison, with `label`.

    measure: what the verdict is about; the choice is by the same metric on validation data. None where nothing was measured
    on both, or where it is not known which way is better.
    """
    if measure is None or not (sign := measure.on("val").direction):
        return []
    rule, test = measure.on("val"), measure.on("test")
    if str(rule) not in runs or str(test) not in runs:
        return []
    done = runs[runs["status"] == "completed"]
    best = []
    for variant, family in _families(runs, arms):
        labels = safest(runs, family)
        unsafe = tuple(label for label in family if label not in labels)
        scores = done[done["label"].isin(labels)].pivot(index="seed", columns="label", values=str(rule))
        if len(scores.columns) + len(unsafe) < 2 or (scores := scores.dropna()).empty:
            continue
        means = sign * scores[[label for label in labels if label in scores]].mean()
        chosen = str(means.idxmax())
        ours = done[(done["label"] == chosen) & done["seed"].isin(scores.index)][str(test)]
        spread = float(ours.std(ddof=1)) if len(ours) > 1 else math.nan
        seeds = tuple(int(s) for s in scores.index)
        score = float(sign * means[chosen])
        best.append(
            Choice(
                variant,
                chosen,
                (*scores.columns, *unsafe),
                seeds,
                rule,
                score,
                test,
                float(ours.mean()),
                spread,
                unsafe,
            )
        )
    return best


def safest(runs: pd.DataFrame, labels: Sequence[str]) -> list[str]:
    """Those of which the smallest share of seeds diverged."""
    of_label = runs.loc[runs["label"].isin(labels) & runs["status"].isin(["completed", "diverged"])]
    shares = (of_label["status"] == "diverged").groupby(of_label["label"]).mean()
    return [label for label in labels if label not in shares or shares[label] == shares.min()]


def _families(runs: pd.DataFrame, arms: Sequence[Arm]) -> list[tuple[str, list[str]]]:
    """(variant, labels in the table's order) of the arms that are the same but for their rates; several in each."""
    keys = [k for k in config_keys(runs) if belongs_to_arm(k) and k not in RATES]
    firsts = {row["label"]: row for row in rows_of(runs.drop_duplicates("label"))}
    families: dict[tuple[str, ...], list[str]] = {}
    for arm in arms:
        row = firsts[arm.label]
        if not silent(row):
            same = tuple("" if absent(row[k]) else written(row[k]) for k in keys)
            families.setdefault(same, []).append(arm.label)
    several = [labels for labels in families.values() if len(labels) > 1]
    return [(_variant(firsts[labels[0]], [firsts[same[0]] for same in several]), labels) for labels in several]


def _variant(row: Row, firsts: Sequence[Row]) -> str:
    """The variant's name, with its schedule and placement where another family has the same name."""
    name = written(row["dropout.name"])
    if sum(other["dropout.name"] == row["dropout.name"] for other in firsts) == 1:
        return name
    more = [row.get(k) for k in ("dropout.schedule.name", "dropout.placement")]
    return " ".join([name, *(written(v) for v in more if v is not None and not absent(v) and v != "constant")])

"""Balanced accuracy on the tables of `benchmarks.tables` with a rare class, without and with class weights.

`benchmarks.tables` prints these rows as a second table; this module has no command of its own. Each row also has scikit-learn's
logistic regression on the same splits and inputs, with the same class weights.
"""

from __future__ import annotations

import subprocess
import sys
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean
from typing import Any

import numpy as np

from dropbench.report import build
from dropbench.report.tables.comparison import Comparison

RARE = ("german", "default", "caravan")
METRIC = "metric=[loss,accuracy,balanced_accuracy]"
BALANCED = "train.class_weights=balanced"
"""The setting that gives each class the same total weight in the training loss."""


@dataclass(frozen=True)
class Rare:
    """One table trained in one way.

    name, share: the table, and the share of the rarer class. weights: whether training uses balanced class weights.
    linear: mean balanced accuracy of logistic regression with the same weights.
    """

    name: str
    share: float
    weights: bool
    linear: float
    comparison: Comparison


def rare(name: str, table: Any, plain: Path, command: Sequence[str], seeds: int) -> list[Rare]:
    """Train a table with class weights, and return its two rows: without and with weights.

    Parameters
    ----------
    name, table
        The table's name, and the `Table`.
    plain : Path
        The results of the study without weights, which has been run already.
    command : sequence of str
        The arguments of that study, except `results`.
    seeds : int
        The number of seeds, which start from 0.
    """
    weighted = plain.with_name(f"{plain.name}_balanced")
    typed = [*command, BALANCED, f"results={weighted}"]
    subprocess.run([sys.executable, "-m", "dropbench", *typed], check=True)
    share = float(np.bincount(table.y.numpy()).min() / len(table.y))
    made = []
    for weights, results in ((False, plain), (True, weighted)):
        comparison = build([results], ["study=three_arm"], metric="balanced_accuracy").comparisons[0]
        linear = fmean(_linear(table, seed, weights) for seed in range(seeds))
        made.append(Rare(name, share, weights, linear, comparison))
    return made


def _linear(table: Any, seed: int, weights: bool) -> float:
    """Return the balanced test accuracy under a seed of logistic regression, its penalty cross-validated by the same score."""
    from sklearn.linear_model import LogisticRegressionCV
    from sklearn.metrics import balanced_accuracy_score

    from dropbench.engine.example_batches import split_for
    from dropbench.spec import DataSpec

    parts = split_for(table, DataSpec(name="csv", target="x"), seed)
    inputs = table.prepared.fitted(parts.train).inputs(table.prepared.raw).numpy()
    y, train, test = table.y.numpy(), parts.train.numpy(), parts.test.numpy()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)  # about attributes that are not used here
        model = LogisticRegressionCV(
            Cs=5, cv=3, max_iter=300, scoring="balanced_accuracy", class_weight="balanced" if weights else None
        ).fit(inputs[train], y[train])
    return float(balanced_accuracy_score(y[test], model.predict(inputs[test])))


def markdown(rows: Sequence[Rare]) -> str:
    """Return the table in Markdown."""
    lines = [
        "| table | rarer class | class weights | linear | none | reduced - none | | target - none | |",
        "| --- | ---: | --- | ---: | ---: | ---: | --- | ---: | --- |",
    ]
    for row in rows:
        c, m = row.comparison, row.comparison.measure
        assert m is not None
        none = fmean(c.scores("none", m).values())
        weights = "balanced" if row.weights else "none"
        cells = [row.name, f"{100 * row.share:.1f} %", weights, m.level(row.linear), m.level(none)]
        for arm in ("reduced", "target"):
            told = c.verdicts[arm]
            d = told.difference
            cells += [f"{m.difference(d.mean)} [{m.difference(d.low)}, {m.difference(d.high)}]", told.verdict]
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)

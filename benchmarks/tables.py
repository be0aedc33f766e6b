"""Three arms on every table of a folder, with one command per table, beside scikit-learn's linear model on the same splits.

    python -m benchmarks.tables FOLDER [--results DIR] [--out tables.md] [--only german,wdbc]

FOLDER has CSV files; the target is the column that TARGETS names, else `target`. Each command is `study=three_arm` with ten
seeds; it describes the table only by path and target. A second table shows the tables with a rare class in balanced accuracy,
see `rare_classes`.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import time
import warnings
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean
from typing import Any

import numpy as np

from benchmarks import rare_classes
from benchmarks.rare_classes import METRIC, RARE
from dropbench.report import build
from dropbench.report.tables.comparison import Comparison
from dropbench.values import count

TARGETS = {
    "ames": "Sale_Price",
    "attrition": "Attrition",
    "caravan": "Purchase",
    "cells": "class",
    "concrete": "compressive_strength",
    "credit_data": "Status",
    "default": "default",
    "hitters": "Salary",
    "penguins": "species",
}
TRAINING = ("train.epochs=100", "train.patience=15")
SEEDS = 10


@dataclass(frozen=True)
class Row:
    """One table: its size, the scores of none and of the linear model, and the comparison of the other two arms with none."""

    name: str
    size: str
    none: float
    linear: float
    comparison: Comparison
    seconds: float


def command(file: Path) -> list[str]:
    """Return the arguments of the command for one table, except the folder of its results."""
    metric = [METRIC] if file.stem in RARE else []
    return [
        "sweep",
        "study=three_arm",
        "data=csv",
        f"data.path={file}",
        f"data.target={TARGETS.get(file.stem, 'target')}",
        *TRAINING,
        *metric,
        "--quiet",
    ]


def run(file: Path, results: Path) -> Row:
    """Train the runs that are missing, and return the row of the table."""
    began = time.monotonic()
    subprocess.run([sys.executable, "-m", "dropbench", *command(file), f"results={results / file.stem}"], check=True)
    seconds = time.monotonic() - began
    comparison = build([results / file.stem], ["study=three_arm"], None).comparisons[0]
    table = _table(file)
    measure = comparison.measure
    assert measure is not None
    none = fmean(comparison.scores("none", measure).values())
    size = f"{len(table.y):,} × {len(table.prepared.columns.columns)}"
    return Row(file.stem, size, none, fmean(_linear(table, seed) for seed in range(SEEDS)), comparison, seconds)


def _table(file: Path) -> Any:
    from dropbench.data.tabular.load import table

    return table(Path(), False, path=str(file), target=TARGETS.get(file.stem, "target"))


def _linear(table: Any, seed: int) -> float:
    """Return the test accuracy of logistic regression, or the test RMSE of ridge, fitted to the training rows of a seed."""
    from sklearn.linear_model import LogisticRegressionCV, RidgeCV

    from dropbench.engine.example_batches import split_for
    from dropbench.spec import DataSpec

    parts = split_for(table, DataSpec(name="csv", target="x"), seed)
    inputs = table.prepared.fitted(parts.train).inputs(table.prepared.raw).numpy()
    y = table.y.numpy()
    train, test = parts.train.numpy(), parts.test.numpy()
    if table.task == "regress":
        model: Any = RidgeCV(np.logspace(-2, 4, 13)).fit(inputs[train], y[train])
        return float(np.sqrt(np.mean((model.predict(inputs[test]) - y[test]) ** 2)))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)  # about attributes that are not used here
        model = LogisticRegressionCV(Cs=5, cv=3, max_iter=300).fit(inputs[train], y[train])
    return float(np.mean(model.predict(inputs[test]) == y[test]))


def markdown(rows: Sequence[Row]) -> str:
    """Return the table in Markdown, and a summary over all tables."""
    lines = [
        "| table | rows × columns | measure | linear | none | reduced - none | | target - none | |",
        "| --- | --- | --- | ---: | ---: | ---: | --- | ---: | --- |",
    ]
    for row in rows:
        c, m = row.comparison, row.comparison.measure
        assert m is not None
        cells = [row.name, row.size, m.spoken, m.level(row.linear), m.level(row.none)]
        for arm in ("reduced", "target"):
            told = c.verdicts[arm]
            d = told.difference
            cells += [f"{m.difference(d.mean)} [{m.difference(d.low)}, {m.difference(d.high)}]", told.verdict]
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join([*lines, "", *_across(rows)])


def _across(rows: Sequence[Row]) -> list[str]:
    """Return lines that summarize the arms over all tables."""
    lines = []
    ranks: dict[str, list[float]] = {"none": [], "reduced": [], "target": []}
    for row in rows:
        c, m = row.comparison, row.comparison.measure
        assert m is not None
        scores = {arm: m.direction * fmean(c.scores(arm, m).values()) for arm in ranks}
        ordered = sorted(scores.values(), reverse=True)
        for arm, score in scores.items():
            ranks[arm].append(ordered.index(score) + 1)
    lines.append(
        "Mean rank of the mean score: "
        + ", ".join(f"{arm} {fmean(of):.2f}" for arm, of in ranks.items())
        + " (1 is best)."
    )
    for arm in ("reduced", "target"):
        told = Counter(row.comparison.verdicts[arm].verdict for row in rows)
        settled = sum(row.comparison.verdicts[arm].confirmed for row in rows)
        said = ", ".join(f"{verdict} {n}" for verdict, n in told.most_common())
        lines.append(f"{arm}: {said}; confirmed in {settled} of {count(len(rows), 'table')}.")
    lines.append(f"Wall clock {sum(r.seconds for r in rows) / 60:.0f} min in all; the longest: {_longest(rows)}.")
    return lines


def _longest(rows: Sequence[Row]) -> str:
    row = max(rows, key=lambda r: r.seconds)
    return f"{row.name}, {row.seconds:.0f} s"


def main() -> None:
    """Train and print what the command line asks for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--results", type=Path, default=Path("results/tables"))
    parser.add_argument("--out", type=Path)
    parser.add_argument("--only", default="")
    given = parser.parse_args()
    wanted = set(filter(None, given.only.split(",")))
    files = [f for f in sorted(given.folder.glob("*.csv")) if not wanted or f.stem in wanted]
    rows = []
    for file in files:
        rows.append(run(file, given.results))
        print(f"{file.stem}: {rows[-1].seconds:.0f} s", flush=True)
    of_rare = [
        row
        for file in files
        if file.stem in RARE
        for row in rare_classes.rare(file.stem, _table(file), given.results / file.stem, command(file), SEEDS)
    ]
    text = markdown(rows)
    if of_rare:
        text += f"\n\nBalanced accuracy where one class is rare:\n\n{rare_classes.markdown(of_rare)}"
    print(text)
    if given.out:
        given.out.write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()

"""`study=cocktail` on every table of a folder, beside a gradient-boosted tree with the same budget: ranks over tables.

    python -m benchmarks.cocktails FOLDER [--only german,vehicle] [--rows N] [--epochs N] [--results DIR] [--out cocktails.md]

Each table is one command. With --out cocktails.md the ranks are also drawn in cocktails.svg. The tree is scikit-learn's
HistGradientBoostingClassifier with as many random settings as an arm of the study has, under as many seeds. Its setting is
chosen on validation data and tested under the fresh seeds of the comparison, on the same splits. Existing results are reused.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean
from typing import Any

import numpy as np
from scipy.stats import friedmanchisquare, rankdata, studentized_range

from benchmarks.ranks import draw
from benchmarks.tables import TARGETS
from dropbench.data.raw_draws import bit_generator, unit
from dropbench.report import build
from dropbench.report.tables.comparison import Comparison

SHARED = ("german", "australian", "vehicle", "phoneme", "segment", "chess")
"""Tables that Kadra et al. 2021 use too: credit-g, Australian, vehicle, phoneme, segment, kr-vs-kp."""
OTHERS = ("contraceptive", "ionosphere", "mammographic", "pima", "sonar", "wdbc")
MEASURE = "test_balanced_accuracy"
ROWS, EPOCHS = 600, 105
SHARE = 0.64
"""The share of a table's rows that are training rows, if `data.n_train` leaves none out."""
BUDGET, TUNING, SEEDS = 24, (500, 501), range(10)
TREE = "boosted trees"
COCKTAIL = "cocktail"


@dataclass(frozen=True)
class Row:
    """One table: the mean test score of each arm, and of the tree, over the fresh seeds."""

    name: str
    scores: dict[str, float]
    comparison: Comparison
    seconds: float


def command(file: Path, results: Path, n_train: int | None, epochs: int) -> list[str]:
    """Return the arguments of the command for one table."""
    words = [
        "sweep",
        "study=cocktail",
        "data=csv",
        f"data.path={file}",
        f"data.target={TARGETS.get(file.stem, 'target')}",
        f"data.n_train={'null' if n_train is None else n_train}",
        f"train.epochs={epochs}",
    ]
    return [*words, "metric=[loss,accuracy,balanced_accuracy]", f"results={results / file.stem}", "--quiet"]


def run(file: Path, results: Path, rows: int, epochs: int) -> Row:
    """Train the runs that are missing, and return the row of the table."""
    with file.open(encoding="utf-8") as lines:
        n_train = rows if SHARE * (sum(1 for _ in lines) - 1) > rows else None
    began = time.monotonic()
    subprocess.run([sys.executable, "-m", "dropbench", *command(file, results, n_train, epochs)], check=True)
    seconds = time.monotonic() - began
    report = build([results / file.stem], ["study=cocktail"], None, metric=MEASURE)
    comparison = report.comparisons[0]
    measure = comparison.measure
    assert measure is not None
    scores = {arm.label: fmean(comparison.scores(arm.label, measure).values()) for arm in comparison.arms}
    return Row(
        file.stem,
        {**scores, TREE: _kept(results / file.stem / "tree.json", lambda: tree(file, n_train))},
        comparison,
        seconds,
    )


def _kept(file: Path, made: Callable[[], float]) -> float:
    """Return a number from a file, or compute it and store it there."""
    if not file.is_file():
        file.write_text(json.dumps(made()), encoding="utf-8")
    return float(json.loads(file.read_text(encoding="utf-8")))


def tree(file: Path, n_train: int | None) -> float:
    """Return the tree's mean balanced accuracy on the test rows of the fresh seeds, at the best of its settings."""
    from dropbench.data.tabular.load import table

    data = table(Path(), False, path=str(file), target=TARGETS.get(file.stem, "target"))
    settings = [_setting(row) for row in _uniform(BUDGET, 5)]
    tried = [fmean(_fitted(data, seed, one, n_train, "val") for seed in TUNING) for one in settings]
    best = settings[int(np.argmax(tried))]
    return fmean(_fitted(data, seed, best, n_train, "test") for seed in SEEDS)


def _uniform(n: int, each: int) -> list[list[float]]:
    drawn: list[list[float]] = unit(bit_generator(0, "tree").random_raw(n * each)).reshape(n, each).tolist()
    return drawn


def _setting(u: Sequence[float]) -> dict[str, Any]:
    """Map uniform numbers to a setting: learning rate .01 to .5, 2-64 leaves, 50-500 trees, l2 1e-6 to 10, 1-50 rows a leaf."""
    return {
        "learning_rate": 0.01 * 50 ** u[0],
        "max_leaf_nodes": int(2 * 32 ** u[1]),
        "max_iter": int(50 + 450 * u[2]),
        "l2_regularization": 1e-6 * 1e7 ** u[3],
        "min_samples_leaf": int(1 + 49 * u[4]),
    }


def _fitted(data: Any, seed: int, setting: dict[str, Any], n_train: int | None, part: str) -> float:
    from sklearn.ensemble import HistGradientBoostingClassifier
    from sklearn.metrics import balanced_accuracy_score

    from dropbench.engine.example_batches import split_for
    from dropbench.spec import DataSpec

    parts = split_for(data, DataSpec(name="csv", target="x", n_train=n_train), seed)
    x, y = data.prepared.fitted(parts.train).inputs(data.prepared.raw).numpy(), data.y.numpy()
    model = HistGradientBoostingClassifier(random_state=seed, **setting).fit(x[parts.train], y[parts.train])
    rows = getattr(parts, part)
    return float(balanced_accuracy_score(y[rows], model.predict(x[rows])))


def markdown(rows: Sequence[Row], picture: Path | None = None) -> str:
    """Return scores, ranks, and what the study confirms about each arm, in Markdown; picture: the file to draw the ranks in."""
    arms = [
        arm for arm in rows[0].scores if not arm.startswith(f"{COCKTAIL} without")
    ]  # these arms differ between tables
    lines = ["| arm | " + " | ".join(r.name for r in rows) + " | mean rank |", "| --- |" + " ---: |" * (len(rows) + 1)]
    ranks = np.array([rankdata([-r.scores[a] for a in arms]) for r in rows])
    for i in np.argsort(ranks.mean(0)):
        cells = [f"{100 * r.scores[arms[i]]:.1f}" for r in rows]
        lines.append(f"| {arms[i]} | " + " | ".join(cells) + f" | {ranks[:, i].mean():.2f} |")
    if picture is not None:
        draw(dict(zip(arms, ranks.mean(0).tolist(), strict=True)), _critical(ranks), len(rows), picture)
    return "\n".join([*lines, "", *_told(rows, arms, ranks)])


def _critical(ranks: Any) -> float:
    n, k = ranks.shape
    return float(studentized_range.ppf(0.95, k, np.inf) / np.sqrt(2) * np.sqrt(k * (k + 1) / (6 * n)))


def _told(rows: Sequence[Row], arms: Sequence[str], ranks: Any) -> list[str]:
    n, critical = len(ranks), _critical(ranks)
    p = friedmanchisquare(*ranks.T).pvalue if n > 2 else float("nan")
    lines = [
        f"Friedman's test over {n} tables: p = {p:.2g}; mean ranks differ where they are {critical:.1f} apart (Nemenyi, .05)."
    ]
    for other in ("plain", "dropout", TREE):
        better = sum(r.scores[COCKTAIL] > r.scores[other] for r in rows)
        gain = fmean(100 * (r.scores[COCKTAIL] - r.scores[other]) for r in rows)
        lines.append(f"The cocktail is ahead of {other} on {better} of {n} tables, by {gain:+.2f} points in the mean.")
    for arm in (a for a in arms if a in rows[0].comparison.verdicts):
        told = [r.comparison.verdicts[arm] for r in rows]
        better, worse = (sum(t.confirmed and t.direction == d for t in told) for d in ("better", "worse"))
        lines.append(f"{arm} against plain: confirmed better on {better}, worse on {worse}, of {n}.")
    lines.append(f"Wall clock {sum(r.seconds for r in rows) / 60:.0f} min in all.")
    return lines


def main() -> None:
    """Train and print what the command line asks for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--results", type=Path, default=Path("results/cocktails"))
    parser.add_argument("--out", type=Path)
    parser.add_argument("--only", default=",".join((*SHARED, *OTHERS)))
    parser.add_argument("--rows", type=int, default=ROWS, help="as many training rows of a table at most")
    parser.add_argument("--epochs", type=int, default=EPOCHS)
    given = parser.parse_args()
    rows = []
    for name in given.only.split(","):
        rows.append(run(given.folder / f"{name}.csv", given.results, given.rows, given.epochs))
        print(f"{name}: {rows[-1].seconds:.0f} s", flush=True)
    text = markdown(rows, given.out and given.out.with_suffix(".svg"))
    print(text)
    if given.out:
        given.out.write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()

"""dropbench's RealMLP beside its authors' (pytabkit) on ten tables: the same rows, splits and seeds, on a CPU.

    pip install --target PTKIT --no-deps pytabkit pytorch-lightning lightning-utilities torchmetrics probmetrics psutil
    python -m benchmarks.realmlp FOLDER --pytabkit PTKIT [--results DIR] [--out realmlp.md] [--only german] [--methods ours,TD]

FOLDER has CSV files; the target is the column that `benchmarks.tables.TARGETS` names, else `target`. pytabkit is installed in a
separate folder, PTKIT, with --no-deps so that the installed torch is kept. dropbench trains each table with one command, five
seeds; pytabkit gets the rows that each of these seeds uses for training, validation and test. pytabkit accepts no missing
numbers, so it gets what dropbench uses: the median of the training rows and a column that flags the gap. Scores are appended to
DIR, one file per method. Scores that exist are not computed again, so methods may run in parallel; the table shows all that
exist.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time
import warnings
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean, stdev
from typing import Any

import numpy as np

from benchmarks.tables import TARGETS

TABLES = (
    "australian",
    "concrete",
    "contraceptive",
    "german",
    "hitters",
    "mammographic",
    "pima",
    "segment",
    "vehicle",
    "wdbc",
)
"""Tables of 263 to 2,310 rows with a target: two are regressions, three have three to seven classes, the others two."""
SEEDS = 5
THEIRS: Mapping[str, Mapping[str, Any]] = {
    "TD": {},
    "TD-S": {},
    "TD-first": {"use_last_best_epoch": False},
    "TD-unclamped": {"clamp_output": False},
}
"""pytabkit's models. TD-first and TD-unclamped are TD with what dropbench does differently: of equally good epochs the first
is used, not the last; and predictions may lie outside the range of the targets."""
OF_NUMBERS, OF_CLASSES = ("TD-unclamped",), ("TD-first",)
"""The models that differ from TD only in regression, and only in classification."""


@dataclass(frozen=True)
class Score:
    """A method's test accuracy in percent, or RMSE, under one seed, and the seconds it took."""

    score: float
    seconds: float


def command(file: Path, numbers: bool, results: Path) -> list[str]:
    """Return the arguments of dropbench's sweep on one table."""
    more = ["train=realmlp_numbers", "model.activation=mish"] if numbers else ["train=realmlp"]
    return [
        "sweep",
        "model=realmlp",
        *more,
        "dropout.rate=0.15",
        "dropout/schedule=flat_cos",
        "data=csv",
        f"data.path={file}",
        f"data.target={TARGETS.get(file.stem, 'target')}",
        "data.scale=squash",
        f"seed=range(0,{SEEDS})",
        "execute.workers=1",
        f"results={results}",
        "--quiet",
    ]


def table_of(file: Path) -> Any:
    """Return the table as `data=csv` reads it."""
    from dropbench.data.tabular.load import table

    return table(Path(), False, path=str(file), target=TARGETS.get(file.stem, "target"))


def ours(file: Path, results: Path) -> dict[int, Score]:
    """Train dropbench's RealMLP on a table and return its scores by seed."""
    table = table_of(file)
    numbers = table.task == "regress"
    subprocess.run([sys.executable, "-m", "dropbench", *command(file, numbers, results)], check=True)
    found = {}
    for path in (results / "runs").glob("*/record.json"):
        record = json.loads(path.read_text(encoding="utf-8"))
        metrics = record["metrics"]
        score = metrics["test_rmse"] if numbers else 100 * metrics["test_accuracy"]
        found[record["config"]["seed"]] = Score(score, record["seconds"])
    return found


def theirs(file: Path, method: str, seed: int) -> Score:
    """Train a pytabkit model on the rows of one seed and return its score."""
    import torch
    from pytabkit import (
        RealMLP_TD_Classifier,
        RealMLP_TD_Regressor,
        RealMLP_TD_S_Classifier,
        RealMLP_TD_S_Regressor,
    )

    from dropbench.engine.example_batches import split_for
    from dropbench.spec import DataSpec

    torch.set_num_threads(1)
    table = table_of(file)
    numbers, small = table.task == "regress", method == "TD-S"
    kinds = {
        (False, False): RealMLP_TD_Classifier,
        (True, False): RealMLP_TD_Regressor,
        (False, True): RealMLP_TD_S_Classifier,
        (True, True): RealMLP_TD_S_Regressor,
    }
    parts = split_for(table, DataSpec(name="csv", target="x"), seed)
    train, val, test = (getattr(parts, part).numpy() for part in ("train", "val", "test"))
    frame = _frame(table, train)
    y = table.y.numpy()
    began = time.monotonic()
    model = kinds[numbers, small](
        device="cpu", random_state=seed, n_cv=1, n_refit=0, n_threads=1, verbosity=0, **THEIRS[method]
    )
    model.fit(frame.iloc[train], y[train], frame.iloc[val], y[val])
    said = model.predict(frame.iloc[test])
    seconds = time.monotonic() - began
    if numbers:
        return Score(float(np.sqrt(np.mean((said - y[test]) ** 2))), seconds)
    return Score(100 * float(np.mean(said == y[test])), seconds)


def _frame(table: Any, train: Any) -> Any:
    """Return a table's columns for pytabkit: numbers with gaps filled; flags of gaps and categories as pandas categories."""
    import pandas as pd

    columns, raw = table.prepared.columns, table.prepared.raw
    made: dict[str, Any] = {}
    for i, column in enumerate(columns.columns):
        cells = raw[:, i]
        if column.kind == "category":
            made[column.name] = pd.Categorical(cells.astype(int))
            continue
        gaps = np.isnan(cells)
        made[column.name] = np.where(gaps, np.nanmedian(cells[train]), cells)
        if column.missing:
            made[f"{column.name} missing"] = pd.Categorical(gaps.astype(int))
    return pd.DataFrame(made)


def scores(path: Path) -> dict[tuple[str, int], Score]:
    """Return the scores in a method's file, by table and seed."""
    if not path.is_file():
        return {}
    lines = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    return {(e["table"], e["seed"]): Score(e["score"], e["seconds"]) for e in lines}


def measure(file: Path, method: str, results: Path) -> None:
    """Compute the scores of a table that a method's file lacks, and append them."""
    path = results / f"{method}.jsonl"
    known = scores(path)
    for seed in range(SEEDS):
        if (file.stem, seed) in known:
            continue
        found = ours(file, results / file.stem) if method == "ours" else {seed: theirs(file, method, seed)}
        with path.open("a", encoding="utf-8") as out:
            for one, score in sorted(found.items()):
                known[file.stem, one] = score
                entry = {"table": file.stem, "seed": one, "score": score.score, "seconds": score.seconds}
                out.write(json.dumps(entry) + "\n")
        print(f"{file.stem} {method}: {', '.join(f'{s.score:.3f}' for s in found.values())}", flush=True)


def markdown(folder: Path, results: Path) -> str:
    """Return the table in Markdown, and a summary over all tables."""
    of = {method: scores(results / f"{method}.jsonl") for method in ("ours", *THEIRS)}
    lines = [
        "| table | rows × columns | measure | ours | pytabkit TD | its seed-sd | ours - TD | within one sd | TD-S |",
        "| --- | --- | --- | ---: | ---: | ---: | ---: | --- | ---: |",
    ]
    told, seconds = [], {"ours": 0.0, "TD": 0.0}
    for name in TABLES:
        mine, td, small = (
            [of[m][name, s].score for s in range(SEEDS) if (name, s) in of[m]] for m in ("ours", "TD", "TD-S")
        )
        if min(len(mine), len(td)) < SEEDS:
            continue
        table = table_of(folder / f"{name}.csv")
        numbers = table.task == "regress"
        digits = 1 if numbers and fmean(td) > 1000 else 3 if numbers and fmean(td) < 10 else 2
        spread, paired = stdev(td), [a - b for a, b in zip(mine, td, strict=True)]
        better = (fmean(paired) < 0) == numbers
        told.append("yes" if abs(fmean(paired)) <= spread else "no, better" if better else "no, worse")
        for method in seconds:
            seconds[method] += sum(of[method][name, s].seconds for s in range(SEEDS))
        cells = [
            name,
            f"{len(table.y):,} × {len(table.prepared.columns.columns)}",
            "rmse" if numbers else "accuracy, %",
            *(f"{value:,.{digits}f}" for value in (fmean(mine), fmean(td), spread)),
            f"{fmean(paired):+,.{digits}f} ± {stdev(paired) / SEEDS**0.5:,.{digits}f}",
            told[-1],
            f"{fmean(small):,.{digits}f}" if len(small) == SEEDS else "",
        ]
        lines.append("| " + " | ".join(cells) + " |")
    counted = ", ".join(f"{verdict} {n}" for verdict, n in Counter(told).most_common())
    lines += ["", f"Within one seed-sd, of {len(told)} tables: {counted}."]
    lines.append(f"Seconds of training in all: ours {seconds['ours']:,.0f}, pytabkit TD {seconds['TD']:,.0f}.")
    return "\n".join([*lines, *_costs(of)])


def _costs(of: Mapping[str, Mapping[tuple[str, int], Score]]) -> Iterator[str]:
    """Yield how the score of pytabkit's TD changes, table by table, with dropbench's choices."""
    for method in (*OF_CLASSES, *OF_NUMBERS):
        each = []
        for name in TABLES:
            pairs = [
                (of[method][name, s].score, of["TD"][name, s].score) for s in range(SEEDS) if (name, s) in of[method]
            ]
            if pairs:
                each.append(f"{name} {fmean(a - b for a, b in pairs):+.3g}")
        if each:
            yield f"{method}, against TD: {', '.join(each)}."


def main() -> None:
    """Measure what the command line asks for, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--pytabkit", type=Path, required=True)
    parser.add_argument("--results", type=Path, default=Path("results/realmlp"))
    parser.add_argument("--out", type=Path)
    parser.add_argument("--only", default=",".join(TABLES))
    parser.add_argument("--methods", default="ours,TD,TD-S")
    given = parser.parse_args()
    sys.path.append(str(given.pytabkit))  # last, so that installed packages take precedence
    warnings.simplefilter("ignore")  # warnings of Lightning
    from dropbench.hardware.torchvision import watch

    watch()  # torchmetrics imports it
    given.results.mkdir(parents=True, exist_ok=True)
    for method in filter(None, given.methods.split(",")):
        for name in given.only.split(","):
            file = given.folder / f"{name}.csv"
            numbers = table_of(file).task == "regress"
            if method not in (OF_CLASSES if numbers else OF_NUMBERS):
                measure(file, method, given.results)
    text = markdown(given.folder, given.results)
    print(text)
    if given.out:
        given.out.write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()

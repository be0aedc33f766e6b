"""Claim: a run's history and metrics are bit-identical alone, in any cohort, and with any number of workers (CPU).

Each model's sixteen runs (four rates, four seeds) are trained alone, and in cohorts of 3 and of 16 with one worker and with
two. The results in records and histories, without times, memory and cohort, are compared with those of the runs alone. Weights,
and language models, whose evaluation would take too long here, are compared in tests/engine/test_identity*.py.
"""

from __future__ import annotations

import csv
import json
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from benchmarks.claims import IDENTICAL
from benchmarks.measure import Row, row
from benchmarks.runners import execute, sweep

MODELS: dict[str, list[str]] = {
    "mlp": ["model=mlp"],
    "cnn": ["model=cnn", "model.channels=[8,16]", "model.head_widths=[32]"],
    "gru": ["model=rnn", "model.cell=gru", "dropout=recurrent"],
    "lstm": ["model=rnn", "model.cell=lstm", "dropout=recurrent"],
    "resnet": ["model=resnet", "model.depth=8"],
    "autoencoder": ["model=autoencoder", "metric=loss"],
    "transformer": ["model=transformer"],
}
WITH_DATA: dict[str, list[str]] = {
    "gcn": ["model=gcn", "data=cora"],
}
DIGITS = ["data=digits", "data.n_train=200"]
GRID = ["dropout.rate=0.0,0.2,0.5,0.8", "seed=0,1,2,3", "train.epochs=2"]
SETTINGS = ((3, 1), (16, 1), (3, 2), (16, 2))
"""The size of a cohort, and the number of workers."""
COSTS = ("seconds", "peak_memory_mb")
"""Columns of a history that depend on the cohort."""


def measure(say: Callable[[str], None], with_data: bool, quick: bool) -> list[Row]:
    """Count the runs that differ from the same run alone, over all models and for each; with `quick`, only for one model."""
    models = dict(MODELS) | (WITH_DATA if with_data else {})
    chosen = {"mlp": models["mlp"]} if quick else models
    rows, total = [], 0
    for name, overrides in chosen.items():
        data = [] if any(told.startswith("data=") for told in overrides) else DIGITS
        alone = _swept([*overrides, *data], 1, 1)
        differ = 0
        for cohort, workers in SETTINGS:
            together = _swept([*overrides, *data], cohort, workers)
            differ += sum(alone[run] != together.get(run) for run in alone)
        say(f"  {name:24s} {differ} of {len(SETTINGS) * len(alone)} runs differ")
        rows.append(row("identity", name, IDENTICAL, [differ], f"of {len(SETTINGS) * len(alone)}"))
        total += differ
    compared = 16 * len(SETTINGS) * len(chosen)
    return [row("identity", "all models", IDENTICAL, [total], f"of {compared}"), *rows]


def _swept(overrides: list[str], cohort: int, workers: int) -> dict[str, Any]:
    """Run a sweep and return the compared results of each run, by its id."""
    with tempfile.TemporaryDirectory() as folder:
        how = [f"execute.cohort={cohort}", f"execute.workers={workers}", "device=cpu"]
        execute(sweep([*overrides, *GRID, *how], Path(folder)))
        return {run.name: _said(run) for run in Path(folder).glob("runs/*")}


def _said(run: Path) -> dict[str, Any]:
    """Return the history and the results in the record of a run, without times, memory and cohort."""
    record = json.loads((run / "record.json").read_text(encoding="utf-8"))
    with (run / "history.csv").open(encoding="utf-8") as file:
        history = [{k: v for k, v in line.items() if k not in COSTS} for line in csv.DictReader(file)]
    kept = ("status", "metrics", "chosen_epoch", "epochs_run", "n", "parameters", "rates")
    return {"history": history} | {name: record[name] for name in kept}

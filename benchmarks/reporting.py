"""The cost of a report of 1,000 runs: 100 arms in five tables, including the start of the process.

    python benchmarks/reporting.py

Trains one run for one epoch and stores it a thousand times, with different settings, seeds and scores. Prints the processor
time (user and system) of `dropbench report` in seconds: the median of five runs after a warm-up run. Result: 3.0 s on 2 vCPUs
of an AMD EPYC (Zen 5), torch 2.13, pandas 3.1.
"""

from __future__ import annotations

import csv
import resource
import statistics
import subprocess
import sys
import tempfile
from dataclasses import replace
from pathlib import Path

from dropbench import identity
from dropbench.store import Store, UsedVariant

SIZES, RATES, SEEDS, TIMES = (100, 200, 300, 400, 500), 20, 10, 5


def dropbench(*words: str) -> float:
    """Run one command and return its processor time in seconds."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run([sys.executable, "-m", "dropbench", *words], check=True, stdout=subprocess.DEVNULL)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def multiply(folder: Path) -> None:
    """Store the single run of a results folder again under `SIZES` × `RATES` settings and `SEEDS` seeds."""
    store = Store(folder)
    (record,) = store.load().records
    with store.history(record.run_id).open(encoding="utf-8") as file:
        (row,) = csv.DictReader(file)
    history = [{**row, "epoch": epoch} for epoch in range(1, 51)]
    for size in SIZES:
        for i in range(RATES):
            for seed in range(SEEDS):
                dropout = {**record.config["dropout"], "rate": i / RATES}  # rate 0 is the baseline
                data = {**record.config["data"], "n_train": size}
                config = {**record.config, "dropout": dropout, "data": data, "seed": seed}
                ids = identity.ids(config, record.data_fingerprint, {})
                metrics = {**record.metrics, "test_accuracy": 0.8 + 0.001 * ((7 * seed + 3 * i) % 10)}
                rates = dict.fromkeys(record.rates, i / RATES)
                variants = [UsedVariant("standard", 1, rates)]
                said = {"config": config, "seed": seed, "metrics": metrics, "rates": rates, "variants": variants, **ids}
                store.write(replace(record, **said), history, "")


def main() -> None:
    """Create the runs in a temporary folder and time their report."""
    with tempfile.TemporaryDirectory() as name:
        dropbench("train", "train.epochs=1", "data.n_train=100", "data.split_seed=1", f"results={name}", "--quiet")
        multiply(Path(name))
        taken = [dropbench("report", name) for _ in range(TIMES + 1)][1:]
        print(f"{statistics.median(taken):.2f} s ({min(taken):.2f} to {max(taken):.2f}, n = {TIMES})")


if __name__ == "__main__":
    main()

"""Times a sweep over every variant that fits a model, on two checkouts in turn.

    python -m benchmarks.many_variants BEFORE AFTER [--models mlp,cnn,rnn] [--times N]

BEFORE and AFTER are folders of checkouts, such as `git worktree add ../before main` makes. What is timed is the command as one
types it, start and report included, into an empty folder; of each the median and the spread are printed, and into how many
cohorts its runs went. Both have to store the same numbers: `benchmarks.before_after` compares those.
"""

from __future__ import annotations

import argparse
import os
import re
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

SEEDS = "seed=range(0,5)"


def words(model: str) -> list[str]:
    """The sweep of one model."""
    return ["sweep", "dropout=glob(*)", "dropout.rate=0.3", f"model={model}", "data=digits", SEEDS]


def called(checkout: Path, *arguments: str) -> str:
    """What a command of this checkout prints. Raises CalledProcessError where it fails."""
    python = [sys.executable, "-m", "dropbench", *arguments]
    environment = os.environ | {"PYTHONPATH": str(checkout.resolve()), "COLUMNS": "200"}
    return subprocess.run(python, cwd=checkout, env=environment, check=True, capture_output=True, text=True).stdout


def cohorts(checkout: Path, model: str) -> str:
    """`50 runs in 18 cohorts`, from its plan."""
    with tempfile.TemporaryDirectory() as folder:
        shown = called(checkout, *words(model), f"results={folder}/results", "--dry-run")
    runs, parts = re.search(r"(\d+) runs", shown), re.search(r"(\d+) cohorts?", shown)
    assert runs and parts, shown
    return f"{runs[1]} runs in {parts[1]} cohorts"


def seconds(checkout: Path, model: str) -> float:
    """Of the sweep into an empty folder."""
    with tempfile.TemporaryDirectory() as folder:
        began = time.perf_counter()
        called(checkout, *words(model), f"results={folder}/results", "--quiet")
        return time.perf_counter() - began


def main() -> None:
    """Prints a line for each model and checkout, and how many times faster the second is."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("before", type=Path)
    parser.add_argument("after", type=Path)
    parser.add_argument("--models", default="mlp,cnn,rnn")
    parser.add_argument("--times", type=int, default=3)
    given = parser.parse_args()
    checkouts = {"before": given.before, "after": given.after}
    for model in given.models.split(","):
        took: dict[str, list[float]] = {name: [] for name in checkouts}
        for turn in range(given.times):
            for name in sorted(checkouts, reverse=turn % 2 == 0):
                took[name].append(seconds(checkouts[name], model))
        for name, checkout in checkouts.items():
            low, middle, high = min(took[name]), statistics.median(took[name]), max(took[name])
            print(f"{model:4} {name:6} {middle:6.1f} s ({low:.1f} to {high:.1f})  {cohorts(checkout, model)}")
        ratio = statistics.median(took["before"]) / statistics.median(took["after"])
        print(f"{model:4} {ratio:.2f} times as fast", flush=True)


if __name__ == "__main__":
    main()

"""Times a sweep over every variant that fits a model, alternating between two checkouts.

    python -m benchmarks.many_variants BEFORE AFTER [--models mlp,cnn,rnn] [--times N] [--epochs N]

BEFORE and AFTER are folders of checkouts, such as `git worktree add ../before main` makes. The whole command is timed,
including start-up and report, with an empty results folder. For each checkout the median and the range of wall-clock time, the
median of processor time, and the number of cohorts are printed. Both checkouts have to store the same numbers, which
`benchmarks.before_after` checks.
"""

from __future__ import annotations

import argparse
import os
import re
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

SEEDS = "seed=range(0,5)"


def words(model: str, epochs: int) -> list[str]:
    """Return the arguments of the sweep of one model."""
    return [
        "sweep",
        "dropout=glob(*)",
        "dropout.rate=0.3",
        f"model={model}",
        "data=digits",
        SEEDS,
        f"train.epochs={epochs}",
    ]


def called(checkout: Path, *arguments: str) -> str:
    """Run a command of this checkout and return its output; raise CalledProcessError if it fails."""
    python = [sys.executable, "-m", "dropbench", *arguments]
    environment = os.environ | {"PYTHONPATH": str(checkout.resolve()), "COLUMNS": "200"}
    return subprocess.run(python, cwd=checkout, env=environment, check=True, capture_output=True, text=True).stdout


def cohorts(checkout: Path, sweep: list[str]) -> str:
    """Return the number of cohorts in the sweep's plan, such as `18 cohorts`."""
    with tempfile.TemporaryDirectory() as folder:
        shown = called(checkout, *sweep, f"results={folder}/results", "--dry-run")
    found = re.search(r"\d+ cohorts?", shown)
    assert found, shown
    return found[0]


def seconds(checkout: Path, sweep: list[str]) -> tuple[float, float]:
    """Run the sweep into an empty folder; return its seconds of wall-clock time and of processor time."""
    with tempfile.TemporaryDirectory() as folder:
        began, used = time.perf_counter(), _used()
        called(checkout, *sweep, f"results={folder}/results", "--quiet")
        return time.perf_counter() - began, _used() - used


def _used() -> float:
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def main() -> None:
    """Print a line for each model and checkout, and how many times faster the second checkout is."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("before", type=Path)
    parser.add_argument("after", type=Path)
    parser.add_argument("--models", default="mlp,cnn,rnn")
    parser.add_argument("--times", type=int, default=3)
    parser.add_argument("--epochs", type=int, default=30)
    given = parser.parse_args()
    checkouts = {"before": given.before, "after": given.after}
    for model in given.models.split(","):
        sweep = words(model, given.epochs)
        took: dict[str, list[tuple[float, float]]] = {name: [] for name in checkouts}
        for turn in range(given.times):
            for name in sorted(checkouts, reverse=turn % 2 == 0):
                took[name].append(seconds(checkouts[name], sweep))
        middle = {name: [statistics.median(of) for of in zip(*each, strict=True)] for name, each in took.items()}
        for name, checkout in checkouts.items():
            walls = [wall for wall, _ in took[name]]
            print(
                f"{model:4} {name:6} {middle[name][0]:6.1f} s ({min(walls):.1f} to {max(walls):.1f}), "
                f"processor {middle[name][1]:6.1f} s, {cohorts(checkout, sweep)}"
            )
        wall, processor = (b / a for b, a in zip(middle["before"], middle["after"], strict=True))
        print(f"{model:4} {wall:.2f} times as fast, {processor:.2f} by the processor's time", flush=True)


if __name__ == "__main__":
    main()

"""Claim: a sweep of small networks costs about what one of its runs costs elsewhere; whole processes, imports included.

Every runner gets the same examples in the same splits, trains the same networks for the same epochs, and scores training and
validation sets after each epoch and the test set at the end. If a runner's test accuracy differs from dropbench's by more than
noise, its row does not count.
"""

from __future__ import annotations

import math
import statistics
import tempfile
from collections.abc import Callable, Collection, Iterable
from functools import partial
from pathlib import Path

import numpy as np

from benchmarks import claims, runners, specs
from benchmarks.measure import OF_PROCESSORS, Row, agree, alternate, ratio_row, row
from benchmarks.runners import Sample
from benchmarks.specs import spec
from benchmarks.workloads import Run, Workload
from dropbench.engine.example_batches import split_for

Say = Callable[[str], None]
RESOLUTION = 0.002
"""A difference in accuracy that is always tolerated, because it is too small to make a runner faster."""


def measure(work: Workload, n: int, say: Say, wanted: Collection[str] | None = None) -> list[Row]:
    """Measure one workload in n blocks and return its rows: of the runners `wanted`, or of all, and always of dropbench."""
    with tempfile.TemporaryDirectory() as folder:
        splits = Path(folder) / "splits.npz"
        write_splits(work, splits)
        chosen = {}
        for name in work.timed:
            if wanted is not None and name != "dropbench" and name not in wanted:
                continue
            if lacking := runners.missing(name):
                say(f"  {name} is left out: {lacking} is not installed (pip install -e '.[bench]')")
                continue
            chosen[name] = partial(runners.run, work, name, splits)
        # One warm-up run: afterwards files are in the page cache, dropbench has chosen the size of its cohorts, and the
        # runner with a compilation cache has filled it.
        for name in [name for name in chosen if name.startswith("dropbench") or name == runners.CACHED]:
            say(f"  warming up                 {name:24s} {chosen[name]().seconds:7.2f} s")
        return list(rows(work, alternate(chosen, n, say)))


def rows(work: Workload, samples: dict[str, list[Sample]]) -> Iterable[Row]:
    """Yield rows of times, then of ratios: each peer over each setting of dropbench, and the ratios in claims."""
    total = len(work.runs())
    reached = {name: _accuracies(taken) for name, taken in samples.items()}
    rest = {}
    for name in samples:
        yes = agree(reached["dropbench"], reached[name], RESOLUTION)
        rest[name] = {
            "runs_timed": f"{samples[name][0].runs} of {1 if name == runners.ONE else total}",
            "accuracy": _compared(reached["dropbench"], reached[name]) if name != "dropbench" else _mean(reached[name]),
            "counts": "yes" if yes else "no",
        }
    seconds = {name: [s.seconds for s in taken] for name, taken in samples.items()}
    more = {name: [s.marginal for s in taken] for name, taken in samples.items()}
    processor = {name: [s.processor for s in taken] for name, taken in samples.items()}
    for name in samples:
        for what, values in (("whole process", seconds), ("one run more", more), ("processor time", processor)):
            if _known(values[name]):
                yield row(work.name, name, what, values[name], "s", **rest[name])
    wanted = [(peer, ours) for ours in samples for peer in samples if _ours(ours) and not _ours(peer)]
    for above, below in dict.fromkeys([*wanted, *claims.ratios_of(work.name)]):
        if above in samples and below in samples:
            both = {k: rest[above][k] if _ours(below) else rest[below][k] for k in ("runs_timed", "accuracy")}
            counts = "yes" if rest[above]["counts"] == rest[below]["counts"] == "yes" else "no"
            yield ratio_row(work.name, above, below, seconds, counts=counts, **both)
            if _known(processor[above]) and _known(processor[below]):
                yield ratio_row(work.name, above, below, processor, OF_PROCESSORS, counts=counts, **both)


def write_splits(work: Workload, file: Path) -> None:
    """Write the row numbers of the splits that dropbench draws for each seed, which all other runners use too."""
    data, table = spec(work.overrides()).data, specs.table(f"data={work.data}")
    parts = {}
    for seed in work.seeds:
        one = split_for(table, data, seed)
        parts |= {f"{name}_{seed}": getattr(one, name).numpy() for name in ("train", "val", "test")}
    np.savez(file, **parts)


def _known(values: Iterable[float]) -> bool:
    return not any(math.isnan(value) for value in values)


def _ours(name: str) -> bool:
    return name.startswith("dropbench")


def _accuracies(taken: list[Sample]) -> dict[Run, float]:
    """Return the accuracy of each run, as a mean over blocks, because some peers draw new random numbers each time."""
    return {run: statistics.fmean(s.accuracies[run] for s in taken) for run in taken[0].accuracies}


def _mean(reached: dict[Run, float]) -> str:
    return f"{100 * statistics.fmean(reached.values()):.2f} %"


def _compared(ours: dict[Run, float], theirs: dict[Run, float]) -> str:
    """Return both mean accuracies, over the runs that both runners trained."""
    common = [run for run in theirs if run in ours]
    return f"{_mean({r: theirs[r] for r in common})} (dropbench {_mean({r: ours[r] for r in common})})"

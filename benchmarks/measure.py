"""The arithmetic of a comparison: alternated blocks, medians, and ratios taken block by block.

In each block, everything that is compared is measured once, one after the other (A B C, A B C, ...), so that a machine that
slows down affects all of them. A ratio is computed from two measurements of one block, and the median over blocks is reported.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import TypeVar

from benchmarks.workloads import Run

T = TypeVar("T")
Blocks = Mapping[str, Sequence[float]]
"""The value in every block, by the name of what is compared."""


@dataclass(frozen=True)
class Row:
    """One line of benchmarks.csv.

    Attributes
    ----------
    workload, runner, what : str
        What was measured.
    n : int
        The number of blocks.
    median, low, high : float
        Median and extremes over the blocks, in `unit`.
    unit : str
        The unit, such as "s"; "×" for ratios.
    runs_timed : str
        How many of the sweep's runs were trained, if the time is extrapolated from them.
    accuracy : str
        The runner's accuracy, if accuracies are compared.
    counts : str
        "no" if this accuracy differs from dropbench's by more than noise.
    """

    workload: str
    runner: str
    what: str
    n: int
    median: float
    low: float
    high: float
    unit: str
    runs_timed: str = ""
    accuracy: str = ""
    counts: str = ""


def alternate(runners: Mapping[str, Callable[[], T]], n: int, say: Callable[[str], None]) -> dict[str, list[T]]:
    """Run every runner once per block, in the given order, for n blocks; return what each returned."""
    results: dict[str, list[T]] = {name: [] for name in runners}
    for block in range(n):
        for name, run in runners.items():
            began = time.perf_counter()
            results[name].append(run())
            say(f"  block {block + 1}/{n}  {name:24s} {time.perf_counter() - began:7.2f} s")
    return results


def alternate_calls(calls: Mapping[str, Callable[[], object]], n: int, seconds: float) -> dict[str, list[float]]:
    """Return the seconds of each call in n alternated blocks, after a warm-up; a block repeats a call for about `seconds`."""
    repeats = {name: _repeats(call, seconds) for name, call in calls.items()}

    def timed(name: str) -> float:
        began = time.perf_counter()
        for _ in range(repeats[name]):
            calls[name]()
        return (time.perf_counter() - began) / repeats[name]

    blocks: dict[str, list[float]] = {name: [] for name in calls}
    for _ in range(n):
        for name in calls:
            blocks[name].append(timed(name))
    return blocks


def _repeats(call: Callable[[], object], seconds: float) -> int:
    """Return how many repetitions take about `seconds`; this measurement is the warm-up."""
    call()
    began, times = time.perf_counter(), 0
    while (passed := time.perf_counter() - began) < seconds / 2 or times < 2:
        call()
        times += 1
    return max(1, round(seconds * times / passed))


def ratios(numerator: Sequence[float], denominator: Sequence[float]) -> list[float]:
    """Return the ratios of two measurements, block by block."""
    return [a / b for a, b in zip(numerator, denominator, strict=True)]


def row(workload: str, runner: str, what: str, values: Iterable[float], unit: str, **rest: str) -> Row:
    """Return the row of a measurement with these values in the blocks."""
    values = list(values)
    return Row(workload, runner, what, len(values), statistics.median(values), min(values), max(values), unit, **rest)


RATIO, OF_PROCESSORS = "ratio of times", "ratio of processor times"


def ratio_row(workload: str, numerator: str, denominator: str, blocks: Blocks, what: str = RATIO, **rest: str) -> Row:
    """Return the row of a ratio: the numerator's time divided by the denominator's."""
    values = ratios(blocks[numerator], blocks[denominator])
    return row(workload, f"{numerator} / {denominator}", what, values, "×", **rest)


def scaled(wall: float, total: int, ends: Mapping[int, Sequence[float]]) -> tuple[float, float]:
    """Extrapolate the seconds of `total` runs from processes that trained fewer; also return the seconds of one more run.

    Parameters
    ----------
    wall : float
        The seconds that the processes took.
    total : int
        The number of runs in the whole sweep.
    ends : mapping
        The times in seconds at which runs ended, by process. The interval between two of them in one process is one run without
        start-up and without the extra cost of a first run. The missing runs are assumed to cost the same, divided among the
        same number of processes.

    Raises
    ------
    ValueError
        If runs are missing and no process trained two.
    """
    carried_out = sum(len(e) for e in ends.values())
    between = [b - a for moments in ends.values() for a, b in pairwise(sorted(moments))]
    if not between:
        if carried_out < total:
            raise ValueError(f"{carried_out} of {total} runs carried out, and none after another in one process")
        return wall, float("nan")
    marginal = statistics.fmean(between) / len(ends)
    return wall + (total - carried_out) * marginal, marginal


def agree(ours: Mapping[Run, float], theirs: Mapping[Run, float], resolution: float) -> bool:
    """Return whether two runners reached the same accuracy, over the runs that both trained.

    Both used the same examples, so runs are compared in pairs: the mean difference must be within three standard errors, or
    four with fewer than ten pairs. In dropbench the runs of a seed start from the same weights; with three or more seeds, the
    standard error of the seeds' means is therefore used if it is larger. A single pair has no standard error and must agree
    within 15 times `resolution`.

    Parameters
    ----------
    ours, theirs : mapping
        Accuracies by run, 0..1.
    resolution : float
        A mean difference that is too small to matter and is always allowed.
    """
    pairs = {run: theirs[run] - ours[run] for run in theirs if run in ours}
    if not pairs:
        return False
    mean = abs(statistics.fmean(pairs.values()))
    if len(pairs) == 1:
        return mean <= 15 * resolution
    seeds = {seed for _, seed in pairs}
    by_seed = [statistics.fmean(d for run, d in pairs.items() if run[1] == seed) for seed in seeds]
    error = max(_error(list(pairs.values())), _error(by_seed) if len(seeds) >= 3 else 0.0)
    return mean <= max(resolution, (3 if len(pairs) >= 10 else 4) * error)


def _error(values: Sequence[float]) -> float:
    return statistics.stdev(values) / len(values) ** 0.5

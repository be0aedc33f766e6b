"""The arithmetic of a comparison: alternated blocks, medians, and ratios taken block by block.

In each block everything that is compared is measured once, one after the other (A B C, A B C, ...), so a machine that slows
down slows all of them; a ratio is that of two measurements of one block, and the median of the blocks' ratios is reported.
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
"""Of each thing that is compared, its value in every block."""


@dataclass(frozen=True)
class Row:
    """One line of benchmarks.csv.

    workload, runner, what: what was measured. n: blocks. median, low, high: over the blocks, in `unit`; low and high are the
    extremes. runs_timed: how many of the sweep's runs were carried out, where the rest is scaled. accuracy: what the runner
    reached, where it is compared. counts: "no" where that is not what dropbench reached within noise.
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
    """n blocks, in each of which every runner runs once, in the order given."""
    found: dict[str, list[T]] = {name: [] for name in runners}
    for block in range(n):
        for name, run in runners.items():
            began = time.perf_counter()
            found[name].append(run())
            say(f"  block {block + 1}/{n}  {name:24s} {time.perf_counter() - began:7.2f} s")
    return found


def alternate_calls(calls: Mapping[str, Callable[[], object]], n: int, seconds: float) -> dict[str, list[float]]:
    """Seconds a call, of each in n alternated blocks; a block repeats one call for about `seconds`, after a warm-up."""
    repeats = {name: _repeats(call, seconds) for name, call in calls.items()}

    def timed(name: str) -> float:
        began = time.perf_counter()
        for _ in range(repeats[name]):
            calls[name]()
        return (time.perf_counter() - began) / repeats[name]

    found: dict[str, list[float]] = {name: [] for name in calls}
    for _ in range(n):
        for name in calls:
            found[name].append(timed(name))
    return found


def _repeats(call: Callable[[], object], seconds: float) -> int:
    call()
    began, times = time.perf_counter(), 0
    while (passed := time.perf_counter() - began) < seconds / 2 or times < 2:
        call()
        times += 1
    return max(1, round(seconds * times / passed))


def ratios(numerator: Sequence[float], denominator: Sequence[float]) -> list[float]:
    """Block by block."""
    return [a / b for a, b in zip(numerator, denominator, strict=True)]


def row(workload: str, runner: str, what: str, values: Iterable[float], unit: str, **rest: str) -> Row:
    values = list(values)
    return Row(workload, runner, what, len(values), statistics.median(values), min(values), max(values), unit, **rest)


def ratio_row(workload: str, numerator: str, denominator: str, blocks: Blocks, **rest: str) -> Row:
    """How many times as long the numerator takes."""
    values = ratios(blocks[numerator], blocks[denominator])
    return row(workload, f"{numerator} / {denominator}", RATIO, values, "×", **rest)


RATIO = "ratio of times"


def scaled(wall: float, total: int, ends: Mapping[int, Sequence[float]]) -> tuple[float, float]:
    """The time of `total` runs from a process tree that carried out fewer, and the time of one run in its turn.

    ends: the moments at which runs ended, by process. Between two of one process lies one run, without start-up and without
    what only a first run pays; what is missing of `total` is as many such runs, side by side in as many processes.
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
    """Whether two runners reached the same accuracy, over the runs that both have.

    They saw the same examples, so the runs are compared in pairs: the mean difference lies within three standard errors, four
    where there are fewer than ten pairs, or within `resolution`, a difference that is nobody's concern. In dropbench the runs
    of a seed start from the same weights, so the error is that of seeds where it is larger and there are three of them. One
    pair, which has no error, has to be within 15 times `resolution`.
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

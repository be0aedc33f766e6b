"""Shared by all peer scripts: the command line, and writing the results. Imports no training library."""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from benchmarks.workloads import WORKLOADS, Workload


@dataclass(frozen=True)
class Job:
    """One run.

    Attributes
    ----------
    splits : Path
        A file with the row numbers of each part for each seed, the same for all runners.
    out : Path
        The folder that results are written to.
    cache : Path or None
        A folder in which the peer may keep compiled code.
    processes : int
        The number of processes, 1 or 2, over which a peer that trains all runs at once divides them.
    """

    work: Workload
    rate: float
    seed: int
    splits: Path
    out: Path
    bf16: bool = False
    cache: Path | None = None
    processes: int = 2

    def done(self, accuracy: float) -> None:
        """Write the test accuracy, the id of this process and the time."""
        report(self.out, self.rate, self.seed, accuracy, time.time())


def jobs() -> list[Job]:
    """Return the runs that the command line asks for."""
    args = arguments().parse_args()
    work = replace(WORKLOADS[args.workload], epochs=args.epochs)
    pairs = [run.split(":") for run in args.runs.split(",")]
    rest = {"bf16": args.bf16, "cache": args.cache, "processes": args.processes}
    return [Job(work, float(rate), int(seed), args.splits, args.out, **rest) for rate, seed in pairs]


Rates = Sequence[float]
Seeds = Sequence[int]


def together(train: Callable[[Job, Rates, Seeds], None], asked: Sequence[Job]) -> None:
    """Call `train`, which trains the runs of some rates and seeds at once, for all runs asked for.

    With two processes, each trains half of the runs on a processor of its own. The processes are forked, so that nothing is
    imported again; for this reason no library may have started a thread yet.
    """
    rates, seeds = grid(asked)
    if asked[0].processes == 1:
        train(asked[0], rates, seeds)
        return
    context = multiprocessing.get_context("fork")
    parts = enumerate(halves(rates, seeds))
    workers = [context.Process(target=_on_one_processor, args=(i, train, asked[0], *part)) for i, part in parts]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    if any(worker.exitcode for worker in workers):
        raise SystemExit("a process failed")


def _on_one_processor(number: int, train: Callable[[Job, Rates, Seeds], None], asked: Job, *part: Any) -> None:
    """Train on one processor; this also limits XLA to one thread, because it starts one per available processor."""
    if hasattr(os, "sched_setaffinity"):
        processors = sorted(os.sched_getaffinity(0))
        os.sched_setaffinity(0, {processors[number % len(processors)]})
    train(asked, *part)


def grid(asked: Sequence[Job]) -> tuple[list[float], list[int]]:
    """Return the sorted rates and seeds of the runs asked for; raise ValueError if these are not all pairs of them."""
    rates, seeds = sorted({j.rate for j in asked}), sorted({j.seed for j in asked})
    if len(rates) * len(seeds) != len(asked):
        raise ValueError(f"{len(asked)} runs are not each of {len(rates)} rates with each of {len(seeds)} seeds")
    return rates, seeds


def halves(rates: Rates, seeds: Seeds) -> list[tuple[list[float], list[int]]]:
    """Divide the grid into two parts: by rates if their number is even or there is only one seed, else by seeds.

    Each part takes every other rate, or every other seed. If divided by rates, both parts have runs of every seed, which share
    examples and their order.
    """
    if len(rates) % 2 == 0 or len(seeds) == 1:
        parts = [(list(rates[i::2]), list(seeds)) for i in (0, 1)]
    else:
        parts = [(list(rates), list(seeds[i::2])) for i in (0, 1)]
    return [part for part in parts if part[0] and part[1]]


def arguments() -> argparse.ArgumentParser:
    """Return the parser of the command line of every peer except hydra."""
    parser = argparse.ArgumentParser()
    parser.add_argument("workload", choices=list(WORKLOADS))
    parser.add_argument("--epochs", type=int, required=True)
    parser.add_argument("--runs", required=True, help="rate:seed,rate:seed,...")
    parser.add_argument("--splits", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--bf16", action="store_true")
    parser.add_argument("--cache", type=Path, help="where a peer that compiles may keep what it has compiled")
    parser.add_argument("--processes", type=int, default=2, help="of a peer that trains all runs at once")
    return parser


def reached(asked: Job, rates: Rates, seeds: Seeds, accuracies: Sequence[Sequence[float]]) -> None:
    """Write the test accuracies, by seed and then by rate, of runs that ended together."""
    for seed, of_seed in zip(seeds, accuracies, strict=True):
        for rate, accuracy in zip(rates, of_seed, strict=True):
            report(asked.out, rate, seed, accuracy, time.time())


def report(out: Path, rate: float, seed: int, accuracy: float, ended: float) -> None:
    """Write the result of one run to its own file; `ended` is a value of `time.time`."""
    out.mkdir(parents=True, exist_ok=True)
    told = {"rate": rate, "seed": seed, "accuracy": accuracy, "process": os.getpid(), "ended": ended}
    (out / f"{rate}-{seed}.json").write_text(json.dumps(told), encoding="utf-8")

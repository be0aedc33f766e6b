"""What an epoch of a cohort costs, by timing a little of one."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from itertools import islice

import torch

from dropbench.data.base import Table
from dropbench.engine.batches import Batch
from dropbench.engine.loop import Cohort
from dropbench.spec import RunSpec


def seconds_per_epoch(specs: Sequence[RunSpec], table: Table, device: torch.device) -> float:
    """Seconds: the median of five steps after one of warm-up, times the steps, and one evaluation scaled to the data."""
    cohort = Cohort(specs, table, device)
    step = seconds_per_step(cohort)
    began = time.perf_counter()
    for score in cohort.evaluate("val").values():
        float(score.sum())
    evaluation = time.perf_counter() - began
    sizes = cohort.batches.sizes()
    return step * cohort.batches.steps + evaluation * (sizes["train"] + sizes["val"]) / sizes["val"]


def seconds_per_step(cohort: Cohort, steps: int = 5) -> float:
    """The median of so many steps after one of warm-up, in seconds."""
    times = []
    began = time.perf_counter()
    for batch in islice(_forever(cohort), steps + 1):  # gathering a batch, and augmenting it, is part of a step
        cohort.train_step(batch, 0.5)
        float(cohort.parameters[0].detach().sum())  # waits for an accelerator
        times.append(time.perf_counter() - began)
        began = time.perf_counter()
    return sorted(times[1:])[steps // 2]


def _forever(cohort: Cohort) -> Iterator[Batch]:
    while True:
        yield from cohort.batches.epoch()

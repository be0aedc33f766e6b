"""Estimates how long an epoch of a cohort takes, by timing a few steps."""

from __future__ import annotations

import time
from collections.abc import Iterator
from itertools import islice

from dropbench.data.batch import Batch
from dropbench.engine.evaluate import evaluate
from dropbench.engine.train import Training


def seconds_per_epoch(training: Training) -> float:
    """Returns the seconds of an epoch: the median step times the number of steps, plus an evaluation scaled to the data."""
    step = seconds_per_step(training)
    batches = training.replicas.batches
    began = time.perf_counter()
    for score in evaluate(training.replicas, "val").values():
        float(score.sum())
    evaluation = time.perf_counter() - began
    n = batches.part_sizes()
    return step * batches.steps + evaluation * (n["train"] + n["val"]) / n["val"]


def seconds_of(training: Training) -> float:
    """Returns the seconds of the whole training, up to `train.stop_at`, if no run stops early."""
    return seconds_per_epoch(training) * min(training.length, training.epochs)


def seconds_per_step(training: Training, steps: int = 5) -> float:
    """Returns the median time of this number of steps, after one warm-up step, in seconds."""
    times = []
    began = time.perf_counter()
    for batch in islice(_forever(training), steps + 1):  # a step includes gathering and augmenting its batch
        training.train_step(batch, 0.5)
        float(training.parameters[0].detach().sum())  # waits for an accelerator
        times.append(time.perf_counter() - began)
        began = time.perf_counter()
    return sorted(times[1:])[steps // 2]


def _forever(training: Training) -> Iterator[Batch]:
    while True:
        yield from training.replicas.batches.epoch()

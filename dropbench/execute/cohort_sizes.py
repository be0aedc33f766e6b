"""How many runs to stack, by a short measurement, kept for the next time.

What is best depends on the processor, its caches, the libraries and the shape of the model, and no rule meets all of these:
benchmarks/growth.py has the curves. So where a sweep is long enough to pay for it, a few steps are timed at the rule's size
and at half and twice of it, and so on in the better direction, in as many processes at once as will train: these share
caches and memory. No number of a run depends on the outcome (on a CPU, not one bit).
"""

from __future__ import annotations

import multiprocessing as mp
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from functools import cache
from time import monotonic

from dropbench.execute.cohorts import Cohort, work_bytes
from dropbench.execute.shape import shape_key
from dropbench.hardware.blas import choose, use_threads
from dropbench.kept import Kept
from dropbench.planning.sources import load, others
from dropbench.process.workers import may_fork
from dropbench.settings import Settings
from dropbench.spec import RunSpec

_WORTH = 1e11
"""Bytes to be moved by a sweep, some ten seconds of them, from which it is worth a second to find the size."""
_PATIENCE_S = 60.0
"""For one measurement: a copy of a process may wait for ever for a thread that it lacks, and the rule needs none."""
_GAIN = 0.97
"""Another size is taken if it takes this share of the time or less."""
Timer = Callable[[Cohort], float]
"""Seconds that a step of these runs takes as one cohort."""


class CohortSizes:
    """For `cohorts`: the size to use for a group of runs, by measurement where that is worth it."""

    def __init__(
        self, settings: Settings, device: str, workers: int, time: Timer | None = None, sharing: int | None = None
    ) -> None:
        """sharing: how many of the workers share a machine, unless all do."""
        self._settings, self._device, self._workers = settings, device, workers
        self._at_once = sharing or workers
        self._time = time or self._in_processes
        self._kept = Kept("cohort_sizes.json")

    def __call__(self, group: Cohort, rule: int, most: int) -> int:
        """`rule` is what would do without measuring, `most` what memory allows."""
        most = min(most, -(-len(group) // self._workers))
        if most <= 1 or not self._possible():
            return rule
        if self._updates(group.specs[0]) * len(group) * work_bytes(group) < _WORTH:
            return rule
        key = shape_key(group, self._settings, self._device, self._at_once)
        known = self._kept.get(key)
        if not (isinstance(known, int) and known > 0):
            try:
                known = fastest(group, min(rule, most), most, self._time)
            except Exception:  # what cannot be trained here, ends its process or hangs: its runs will tell
                return min(rule, most)
            self._kept.put(key, known)
        return min(known, most)

    def _possible(self) -> bool:
        # Worth it with processes that are there at once; and a process that has used CUDA cannot be copied.
        return self._device == "cpu" and may_fork()

    def _updates(self, spec: RunSpec) -> float:
        """Of one run, about."""
        data = spec.data
        n = data.n_train or len(load(data, self._settings).y) * (1 - data.val_fraction - data.test_fraction)
        return spec.train.updates or spec.train.epochs * n / spec.train.batch_size

    def _in_processes(self, cohort: Cohort) -> float:
        """The median of as many processes at once as will train."""
        # Unlike multiprocessing's pool, it does not wait for a process that has died.
        pool = ProcessPoolExecutor(self._at_once, mp.get_context("fork"))
        try:
            tasks = [pool.submit(_seconds, cohort, self._settings, self._device) for _ in range(self._at_once)]
            until = monotonic() + (self._settings.execute.timeout or _PATIENCE_S)
            times = [task.result(max(0.0, until - monotonic())) for task in tasks]
        finally:
            for process in pool._processes.values():
                process.kill()
            pool.shutdown()
        return sorted(times)[len(times) // 2]


def fastest(group: Cohort, start: int, most: int, time: Timer) -> int:
    """The size with the least time a run, found uphill from `start` by halving and doubling."""

    @cache
    def time_of_a_run(size: int) -> float:
        return time(group.part(0, size)) / size

    best = 1 << (start.bit_length() - 1)  # a power of two, as all that are tried
    for doubling in (True, False):
        began = best
        while (tried := min(most, 2 * best) if doubling else max(1, best // 2)) != best:
            if time_of_a_run(tried) > _GAIN * time_of_a_run(best):
                break
            best = tried
        if best != began:
            break
    return best


def _seconds(cohort: Cohort, settings: Settings, device: str) -> float:
    import torch

    from dropbench.engine.build import build
    from dropbench.engine.timing import seconds_per_step
    from dropbench.hardware.allocator import keep_freed_memory

    use_threads(settings.execute.threads)
    choose(settings.execute.products)
    keep_freed_memory()
    first = cohort.specs[0]
    table = load(first.data, settings)
    foreign = others(first, table, settings)
    return seconds_per_step(build(cohort.specs, cohort.outline, table, torch.device(device), foreign), 11)

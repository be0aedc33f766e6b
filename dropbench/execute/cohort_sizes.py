"""Finds the best number of runs to stack by a short measurement, which is kept for later commands.

The best size depends on the processor, its caches, the libraries and the shape of the model, and no rule fits all of them:
benchmarks/growth.py has the curves. So if a sweep is long enough to pay for it, a few steps are timed at the rule's size, at
half and at twice that size, and so on in the better direction. As many processes are timed at once as will train, because
they share caches and memory. A run's numbers do not depend on the outcome (on a CPU, not in one bit).
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
"""The bytes that a sweep must move, about ten seconds' worth, before a second of measuring is worth it."""
_PATIENCE_S = 60.0
"""The time limit of one measurement. A forked process may wait forever for a thread that it lacks; then the rule is used."""
_GAIN = 0.97
"""Another size is preferred if it takes this share of the time or less."""
Timer = Callable[[Cohort], float]
"""A function that returns the seconds of a step of these runs as one cohort."""


class CohortSizes:
    """Chooses cohort sizes for `cohorts`, by measurement if that is worth it."""

    def __init__(
        self, settings: Settings, device: str, workers: int, time: Timer | None = None, sharing: int | None = None
    ) -> None:
        """sharing: how many of the workers share a machine; by default all."""
        self._settings, self._device, self._workers = settings, device, workers
        self._at_once = sharing or workers
        self._time = time or self._in_processes
        self._kept = Kept("cohort_sizes.json")

    def __call__(self, group: Cohort, rule: int, most: int) -> int:
        """Returns the size for a group. `rule` is the size without measuring, `most` the largest that memory allows."""
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
            except Exception:  # runs that fail, end their process or hang here will report that when they train
                return min(rule, most)
            self._kept.put(key, known)
        return min(known, most)

    def _possible(self) -> bool:
        # Measuring pays only with forked processes, which start at once; a process that has used CUDA cannot be forked.
        return self._device == "cpu" and may_fork()

    def _updates(self, spec: RunSpec) -> float:
        """Returns the approximate number of updates of one run."""
        data = spec.data
        n = data.n_train or len(load(data, self._settings).y) * (1 - data.val_fraction - data.test_fraction)
        return spec.train.updates or spec.train.epochs * n / spec.train.batch_size

    def _in_processes(self, cohort: Cohort) -> float:
        """Returns the median time of a step over as many simultaneous processes as will train."""
        # Unlike multiprocessing's pool, this one does not wait for a process that has died.
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
    """Returns the size with the least time per run, found by hill climbing from `start`, doubling or halving the size."""

    @cache
    def time_of_a_run(size: int) -> float:
        return time(group.part(0, size)) / size

    best = 1 << (start.bit_length() - 1)  # the largest power of two up to `start`
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

"""Trains one cohort and reports its results, and what is left of it if it breaks off."""

from __future__ import annotations

import gc
import time
import traceback
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from dropbench.execute.cohorts import Cohort
from dropbench.hardware import exhausted
from dropbench.hardware.allocator import keep_freed_memory
from dropbench.hardware.blas import choose, use_threads
from dropbench.hardware.device import take
from dropbench.process import blame
from dropbench.settings import Settings
from dropbench.spec import RunSpec

if TYPE_CHECKING:
    from dropbench.engine.result import Progress, RunResult
    from dropbench.engine.snapshot import State
    from dropbench.execute.checkpoint import Save


@dataclass(frozen=True)
class Failure:
    """A run that raised an error, with the last line of the error as its reason and the whole traceback."""

    spec: RunSpec
    reason: str
    traceback: str
    seconds: float


@dataclass(frozen=True)
class Broken:
    """The runs of a cohort that did not reach their end, and why.

    out_of_memory: whether memory ran out; None if that is unknown, as for a process that was killed.
    """

    cohort: Cohort
    reason: str
    traceback: str
    seconds: float
    out_of_memory: bool | None = False


@dataclass(frozen=True)
class Retry:
    """Runs that are tried again after a cohort broke off. how: `each alone`, `in two halves`."""

    run_ids: tuple[str, ...]
    reason: str
    how: str = "each alone"


@dataclass(frozen=True)
class Note:
    """A sentence to be shown that belongs to no particular run."""

    text: str


Listener = Callable[["Progress | Retry | Note"], None]


Part = tuple[Cohort, "list[State]"]
"""Runs that train together, and the states from which they continue; no states if they begin."""


def carry_out(
    cohort: Cohort, settings: Settings, device: str, listen: Listener, stop: Callable[[], bool] = lambda: False
) -> Iterator[RunResult | Broken]:
    """Trains a cohort and yields its results. If it raises, what is left is yielded as `Broken`; the caller decides on retries.

    Runs that an earlier process saved in the results folder continue from there. If this process is to `stop`, the runs are
    saved and KeyboardInterrupt is raised.
    """
    found = in_parts(cohort, settings, device)
    if isinstance(found, Broken):
        yield found
    else:
        yield from train(found, settings, device, listen, stop)


def in_parts(cohort: Cohort, settings: Settings, device: str) -> list[Part] | Broken:
    """Returns a cohort in parts, with the saved states of its runs; runs saved at different points train separately."""
    from dropbench.execute.checkpoint import apart

    choose(settings.execute.products)  # first, because checkpoints must have been made with the same products
    began = time.perf_counter()
    try:
        return apart(cohort, settings, device)
    except Exception as error:  # for example, no memory for the saved states
        reason = blame.told(error)
        return Broken(cohort, reason, traceback.format_exc(), time.perf_counter() - began, exhausted.ran_out(error))


def train(
    parts: Sequence[Part],
    settings: Settings,
    device: str,
    listen: Listener,
    stop: Callable[[], bool],
    save: Save | None = None,
) -> Iterator[RunResult | Broken]:
    """Trains the parts of a cohort like `carry_out`. save: the function that saves checkpoints; None: the results folder."""
    for together, states in parts:
        results = _results(together, states, settings, device, listen, stop, save)
        yield from _unless_broken(together, results, device)


def _unless_broken(cohort: Cohort, results: Iterator[RunResult], device: str) -> Iterator[RunResult | Broken]:
    """Yields the results of a cohort and, if they break off, what is left of it."""
    began = time.perf_counter()
    waiting, broken = cohort, None
    try:
        for result in results:
            waiting = waiting.without(result.spec.run_id)
            yield result
    except BaseException as error:
        if not isinstance(error, Exception) and not blame.raised_by_user(error):
            raise
        reason = blame.told(error)
        seconds = time.perf_counter() - began
        broken = Broken(waiting, reason, traceback.format_exc(), seconds, exhausted.ran_out(error))
    # Outside of `except` the error no longer keeps the frames, and the tensors of the training in them, alive.
    if broken is not None:
        exhausted.give_back(device)
        yield broken


def _results(
    cohort: Cohort,
    states: Sequence[State],
    settings: Settings,
    device: str,
    listen: Listener,
    stop: Callable[[], bool],
    save: Save | None,
) -> Iterator[RunResult]:
    import torch

    from dropbench.engine.build import build
    from dropbench.engine.result import Keep
    from dropbench.execute.checkpoint import Saver, gone_on
    from dropbench.planning.sources import load, others

    take(device)
    use_threads(settings.execute.threads)
    choose(settings.execute.products)
    keep_freed_memory()
    if not gc.isenabled():  # see cli.script
        gc.freeze()  # existing objects stay, and collecting them would copy memory shared with the parent process
        gc.enable()
    first = cohort.specs[0]
    table = load(first.data, settings)
    foreign = others(first, table, settings)
    keep = Keep(settings.train_save, settings.eval_keep)
    training = gone_on(lambda: build(cohort.specs, cohort.outline, table, torch.device(device), foreign, keep), states)
    for past in range(1, training.underway.epoch):
        listen(training.progress(past))
    yield from training.run(listen, Saver(training, settings, device, stop, save))

"""One cohort carried out to the end, whatever happens in it."""

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
    """A run that raised: the last line of what it raised, and all of it."""

    spec: RunSpec
    reason: str
    traceback: str
    seconds: float


@dataclass(frozen=True)
class Broken:
    """The runs of a cohort that did not get to its end, and why.

    out_of_memory: None where it may be, of a process that was killed by whoever.
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
    """A sentence to be shown, of no run in particular."""

    text: str


Listener = Callable[["Progress | Retry | Note"], None]


Part = tuple[Cohort, "list[State]"]
"""Runs that train together, and where each of them goes on; no states where they begin."""


def carry_out(
    cohort: Cohort, settings: Settings, device: str, listen: Listener, stop: Callable[[], bool] = lambda: False
) -> Iterator[RunResult | Broken]:
    """Trains a cohort. If it raises, what is left of it is handed back: whether it is tried again is not for here to say.

    What an earlier process saved of its runs in the results folder goes on from there. Raises KeyboardInterrupt, once they are
    saved, where this process is to `stop`.
    """
    found = in_parts(cohort, settings, device)
    if isinstance(found, Broken):
        yield found
    else:
        yield from train(found, settings, device, listen, stop)


def in_parts(cohort: Cohort, settings: Settings, device: str) -> list[Part] | Broken:
    """A cohort with what was saved of it: runs that were saved at different places train apart."""
    from dropbench.execute.checkpoint import apart

    choose(settings.execute.products)  # before what was saved is looked at: it has to have been made by the same
    began = time.perf_counter()
    try:
        return apart(cohort, settings, device)
    except Exception as error:  # no memory for what was saved, say
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
    """Trains the parts of a cohort as `carry_out` does. save: where what is in training goes, the results folder if None."""
    for together, states in parts:
        results = _results(together, states, settings, device, listen, stop, save)
        yield from _unless_broken(together, results, device)


def _unless_broken(cohort: Cohort, results: Iterator[RunResult], device: str) -> Iterator[RunResult | Broken]:
    """The results of a cohort and, where they break off, what is left of it."""
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
    if broken is not None:  # by now the error is gone, and with it the frames that held the tensors of the training
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
        gc.freeze()  # what is there now stays, and to look at it would copy it out of the process that forked this one
        gc.enable()
    first = cohort.specs[0]
    table = load(first.data, settings)
    foreign = others(first, table, settings)
    keep = Keep(settings.train_save, settings.eval_keep)
    training = gone_on(lambda: build(cohort.specs, cohort.outline, table, torch.device(device), foreign, keep), states)
    for past in range(1, training.underway.epoch):
        listen(training.progress(past))
    yield from training.run(listen, Saver(training, settings, device, stop, save))

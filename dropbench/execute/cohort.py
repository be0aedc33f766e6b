"""One cohort carried out to the end, whatever happens in it."""

from __future__ import annotations

import gc
import time
import traceback
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from dropbench.execute.cohorts import Cohort
from dropbench.hardware.allocator import keep_freed_memory
from dropbench.hardware.blas import use_threads
from dropbench.spec import RunSpec, Settings

if TYPE_CHECKING:
    from dropbench.engine.result import Progress, RunResult
    from dropbench.engine.snapshot import State


@dataclass(frozen=True)
class Failure:
    """A run that raised: the last line of what it raised, and all of it."""

    spec: RunSpec
    reason: str
    traceback: str
    seconds: float


@dataclass(frozen=True)
class Retry:
    """Runs of a cohort that did not get to its end; each is tried once more, alone."""

    run_ids: tuple[str, ...]
    reason: str


Listener = Callable[["Progress | Retry"], None]


def carry_out(
    cohort: Cohort, settings: Settings, device: str, listen: Listener, stop: Callable[[], bool] = lambda: False
) -> Iterator[RunResult | Failure]:
    """Trains a cohort. If it raises, its unfinished runs are tried once more, each alone: one must not cost the others.

    What an earlier process saved of its runs goes on from there; runs that were saved at different places train apart. Raises
    KeyboardInterrupt, once they are saved, where this process is to `stop`.
    """
    from dropbench.execute.checkpoint import apart

    for together, states in apart(cohort, settings, device):
        yield from _trained(together, states, settings, device, listen, stop)


def _trained(
    cohort: Cohort,
    states: Sequence[State],
    settings: Settings,
    device: str,
    listen: Listener,
    stop: Callable[[], bool],
) -> Iterator[RunResult | Failure]:
    import torch

    from dropbench.engine.build import build
    from dropbench.execute.checkpoint import Saver, gone_on
    from dropbench.planning.sources import load, others

    began = time.perf_counter()
    waiting = cohort
    try:
        use_threads(settings.execute.threads)
        keep_freed_memory()
        if not gc.isenabled():  # see cli.script
            gc.freeze()  # what is there now stays, and to look at it would copy it out of the process that forked this one
            gc.enable()
        first = cohort.specs[0]
        table = load(first.data, settings)
        foreign = others(first, table, settings)
        training = gone_on(lambda: build(cohort.specs, cohort.outline, table, torch.device(device), foreign), states)
        for past in range(1, training.underway.epoch):
            listen(training.progress(past))
        for result in training.run(listen, Saver(training, settings, device, stop)):
            waiting = waiting.without(result.spec.run_id)
            yield result
    except Exception as error:
        reason = f"{type(error).__name__}: {error}".splitlines()[0]
        if len(cohort) > 1:
            listen(Retry(tuple(s.run_id for s in waiting.specs), reason))
            for alone in waiting.singly():
                yield from carry_out(alone, settings, device, listen, stop)
            return
        yield Failure(cohort.specs[0], reason, traceback.format_exc(), time.perf_counter() - began)

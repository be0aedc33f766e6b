"""One cohort carried out to the end, whatever happens in it."""

from __future__ import annotations

import gc
import time
import traceback
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from dropbench.hardware.allocator import keep_freed_memory
from dropbench.hardware.blas import use_threads
from dropbench.spec import RunSpec, Settings

if TYPE_CHECKING:
    from dropbench.engine.result import Progress, RunResult


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
    specs: Sequence[RunSpec], settings: Settings, device: str, listen: Listener
) -> Iterator[RunResult | Failure]:
    """Trains a cohort. If it raises, its unfinished runs are tried once more, each alone: one must not cost the others."""
    import torch

    from dropbench.engine.loop import Cohort
    from dropbench.planning.sources import load, others

    began = time.perf_counter()
    waiting = {s.run_id: s for s in specs}
    try:
        use_threads(settings.execute.threads)
        keep_freed_memory()
        if not gc.isenabled():  # see cli.script
            gc.freeze()  # what is there now stays, and to look at it would copy it out of the process that forked this one
            gc.enable()
        table = load(specs[0].data, settings)
        for result in Cohort(specs, table, torch.device(device), others(specs[0], table, settings)).run(listen):
            del waiting[result.spec.run_id]
            yield result
    except Exception as error:
        reason = f"{type(error).__name__}: {error}".splitlines()[0]
        if len(specs) > 1:
            listen(Retry(tuple(waiting), reason))
            for spec in waiting.values():
                yield from carry_out([spec], settings, device, listen)
            return
        yield Failure(specs[0], reason, traceback.format_exc(), time.perf_counter() - began)

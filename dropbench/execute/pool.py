"""Cohorts in worker processes, one pipe each. A worker that dies costs the cohort it had in hand, once."""

from __future__ import annotations

import multiprocessing as mp
import os
import signal
import threading
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from typing import TYPE_CHECKING

from dropbench.execute.cohort import Failure, Listener, Retry, carry_out
from dropbench.execute.cohorts import Cohort
from dropbench.process.workers import begin, context
from dropbench.spec import Settings

if TYPE_CHECKING:
    from dropbench.engine.result import RunResult


@dataclass
class _Worker:
    process: BaseProcess
    pipe: Connection
    unfinished: Cohort
    """What is left of the cohort in hand."""


def in_pool(
    cohorts: Sequence[Cohort],
    settings: Settings,
    device: str,
    workers: int,
    listen: Listener,
) -> Iterator[RunResult | Failure]:
    """Yields each run as soon as it is finished. The cohorts are handed out in order.

    Where a worker dies (out of memory, killed), its unfinished runs are tried once more, each alone; one that kills a
    worker by itself is a Failure. Closing the generator, or an interrupt, ends all workers.
    """
    waiting = deque(cohorts)
    busy: list[_Worker] = []
    try:
        while waiting or busy:
            while waiting and len(busy) < workers:
                busy.append(_start(waiting.popleft(), settings, device))
            ready = wait([w.pipe for w in busy])
            for worker in [w for w in busy if w.pipe in ready]:
                yield from _receive(worker, waiting, busy, settings, device, listen)
    finally:
        for worker in busy:
            worker.process.terminate()
            worker.process.join()


def _start(cohort: Cohort, settings: Settings, device: str) -> _Worker:
    kind = context()
    pipe, workers_end = kind.Pipe()
    process = kind.Process(target=_work, args=(workers_end, settings, device), daemon=True)
    begin(process)
    workers_end.close()
    pipe.send(cohort)
    return _Worker(process, pipe, cohort)


def _receive(
    worker: _Worker,
    waiting: deque[Cohort],
    busy: list[_Worker],
    settings: Settings,
    device: str,
    listen: Listener,
) -> Iterator[RunResult | Failure]:
    from dropbench.engine.result import Progress

    try:
        message = worker.pipe.recv()
    except (EOFError, OSError):
        worker.process.join()
        busy.remove(worker)
        code = worker.process.exitcode or 0
        reason = f"the worker process died ({f'signal {-code}' if code < 0 else f'exit code {code}'})"
        unfinished = worker.unfinished
        if len(unfinished) == 1:
            yield Failure(unfinished.specs[0], reason, reason, 0.0)
        elif unfinished.specs:
            listen(Retry(tuple(s.run_id for s in unfinished.specs), reason))
            waiting.extendleft(reversed(unfinished.singly()))
        return
    if message is None:  # the cohort is done
        following = waiting.popleft() if waiting else None
        with suppress(BrokenPipeError):  # it has died since: its next message is the end of the pipe
            worker.pipe.send(following)
        if following is None:
            worker.process.join()
            busy.remove(worker)
        else:
            worker.unfinished = following
    elif isinstance(message, (Progress, Retry)):
        listen(message)
    else:
        worker.unfinished = worker.unfinished.without(message.spec.run_id)
        yield message


def _work(pipe: Connection, settings: Settings, device: str) -> None:
    """A worker: takes cohorts from the pipe until it gets None, and sends progress, outcomes, and None at each one's end."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # an interrupt is the parent's to handle
    threading.Thread(target=_end_with_parent, daemon=True).start()
    # The end of the pipe would not do as a sign to stop: workers started later hold copies of it.
    while (cohort := pipe.recv()) is not None:
        for outcome in carry_out(cohort, settings, device, pipe.send):
            pipe.send(outcome)
        pipe.send(None)


def _end_with_parent() -> None:
    """A killed parent ends nobody: its workers would train on for no one."""
    parent = mp.parent_process()
    assert parent is not None
    parent.join()
    os._exit(1)

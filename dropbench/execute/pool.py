"""Trains cohorts in worker processes, with one pipe each. A worker that dies loses the cohort that it had in hand."""

from __future__ import annotations

import multiprocessing as mp
import os
import signal
import threading
import time
from collections.abc import Generator, Iterator
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from typing import TYPE_CHECKING, cast

from dropbench.errors import UsageError
from dropbench.execute.agenda import Agenda
from dropbench.execute.cohort import Broken, Listener, Note, Retry, carry_out
from dropbench.execute.cohorts import Cohort
from dropbench.hardware import exhausted
from dropbench.hardware.device import freest
from dropbench.process import streams
from dropbench.process.guarded import guarded
from dropbench.process.signals import SIGNALS
from dropbench.process.stop import Stop
from dropbench.process.workers import begin, context
from dropbench.settings import Settings
from dropbench.values import count

if TYPE_CHECKING:
    from dropbench.engine.result import RunResult


_GRACE_S = 30.0
"""The time that a worker gets to end its update or evaluation and to save what it trains."""
_LOOK_S = 10.0
"""The time between two checks of what other commands do while no message comes from the workers."""


@dataclass
class _Worker:
    process: BaseProcess
    pipe: Connection
    unfinished: Cohort
    """The unfinished runs of its current cohort."""
    kills: int | None
    """How many processes the kernel had killed for lack of memory when the cohort began; None if unknown."""
    heard: float
    """The time of its last message, on this process's clock."""
    device: str
    spent: bool = False
    """Whether it ran out of memory. The memory of such a process is fragmented, so another process takes its place."""

    def silent_for(self) -> float:
        """Returns the seconds since its last message, or 0 if a message waits to be read."""
        return 0.0 if self.pipe.poll() else time.monotonic() - self.heard


class Pool:
    """Worker processes that train the cohorts of an agenda.

    If a worker dies (out of memory, killed) or sends nothing for too long, what is left of its cohort is `Broken` and another
    worker takes its place. A worker that has nothing to do ends. If there are several devices, a new worker gets the one that
    the fewest workers have.
    """

    def __init__(
        self, agenda: Agenda, settings: Settings, device: str, workers: int, listen: Listener, stop: Stop
    ) -> None:
        self._agenda, self._settings, self._device, self._stop = agenda, settings, device, stop
        self._most, self._listen = workers, listen
        self._timeout = settings.execute.timeout
        self._busy: list[_Worker] = []

    def outcomes(self) -> Generator[RunResult | Broken | None]:
        """Yields each run as soon as it is finished, and None now and then. Closing it, or an interrupt, ends all workers.

        If this process is to stop, the workers save what they train and then KeyboardInterrupt is raised.
        """
        try:
            while True:
                if self._stop():
                    yield from self._last()
                    raise KeyboardInterrupt
                self._employ()
                if not (self._busy or self._agenda.left):
                    return
                ready = self._wait()
                for worker in [w for w in self._busy if w.pipe in ready]:
                    yield self._receive(worker)
                for worker in [w for w in self._busy if self._timeout and w.silent_for() > self._timeout]:
                    worker.process.kill()
                    yield self._lost(worker, f"no epoch ended within {self._timeout:g} s (execute.timeout)")
                if not ready:
                    yield None
        finally:
            self._end()

    def _last(self) -> Iterator[RunResult]:
        """Lets the workers save what they train, and yields the runs that they finish meanwhile."""
        until = time.monotonic() + _GRACE_S
        while self._busy and time.monotonic() < until:
            for worker in self._busy:
                worker.process.terminate()  # repeatedly, because a new worker does not handle the signal yet
            ready = wait([w.pipe for w in self._busy], 1.0)
            for worker in [w for w in self._busy if w.pipe in ready]:
                if not isinstance(outcome := self._receive(worker), Broken | None):
                    yield outcome

    def _end(self) -> None:
        """Ends all workers, if there is time after they have saved what they train."""
        for worker in self._busy:
            with suppress(OSError):
                worker.pipe.send(None)  # because a worker that waits for a cohort does not react to a signal
        until = time.monotonic() + _GRACE_S
        while (alive := [w for w in self._busy if w.process.is_alive()]) and time.monotonic() < until:
            for worker in alive:  # repeatedly, because a new worker does not handle the signal yet
                worker.process.kill() if self._stop.at_once else worker.process.terminate()
            ready = wait([*(w.pipe for w in alive), *(w.process.sentinel for w in alive)], 0.2)
            for worker in [w for w in alive if w.pipe in ready]:
                with suppress(EOFError, OSError):
                    worker.pipe.recv()  # because a worker that cannot send does not end
        for worker in self._busy:
            worker.process.kill()
            worker.process.join()

    def _employ(self) -> None:
        """Starts workers as long as there are cohorts for them."""
        while len(self._busy) < self._most and (cohort := self._agenda.next()) is not None:
            try:
                self._busy.append(_start(cohort, self._settings, self._device_of_next()))
            except OSError as error:  # no memory for one more, or too many processes
                self._agenda.give_back(cohort)
                if not self._busy:
                    raise UsageError(f"no worker process can be started: {error.strerror}") from error
                self._most = len(self._busy)
                self._listen(Note(f"{error.strerror}: going on with {count(self._most, 'worker')}"))

    def _device_of_next(self) -> str:
        return freest(self._device, [w.device for w in self._busy])

    def _wait(self) -> list[object]:
        """Returns the pipes with messages, or none if it is time for other checks."""
        pause = self._agenda.pause() if len(self._busy) < self._most and self._agenda.left else _LOOK_S
        if self._timeout:
            pause = min(pause, self._timeout / 4)
        pause = max(0.0, min(pause, self._stop.left))
        return [
            pipe for pipe in wait([*(w.pipe for w in self._busy), self._stop.bell], pause) if pipe != self._stop.bell
        ]

    def _receive(self, worker: _Worker) -> RunResult | Broken | None:
        from dropbench.engine.result import Progress

        try:
            message = worker.pipe.recv()
        except (EOFError, OSError):
            worker.process.join()
            code = worker.process.exitcode or 0
            return self._lost(
                worker, f"the worker process died ({f'signal {-code}' if code < 0 else f'exit code {code}'})"
            )
        worker.heard = time.monotonic()
        if message is None:
            self._go_on(worker)
        elif isinstance(message, (Progress, Retry, Note)):
            self._listen(message)
        elif isinstance(message, Broken):
            worker.unfinished = worker.unfinished.without(*(s.run_id for s in message.cohort.specs))
            worker.spent = worker.spent or bool(message.out_of_memory)
            return message
        else:
            worker.unfinished = worker.unfinished.without(message.spec.run_id)
            return cast("RunResult", message)
        return None

    def _go_on(self, worker: _Worker) -> None:
        """Gives a worker that has finished its cohort the next one, or lets it end."""
        following = None if self._stop() or worker.spent else self._agenda.next()
        with suppress(BrokenPipeError):  # if it has died since, the end of its pipe will be noticed next
            worker.pipe.send(following)
        if following is None:
            worker.process.join()
            self._busy.remove(worker)
        else:
            worker.unfinished, worker.kills = following, exhausted.kills()

    def _lost(self, worker: _Worker, reason: str) -> Broken | None:
        """Returns what a lost worker had in hand, or None if it had nothing."""
        worker.process.join()
        self._busy.remove(worker)
        if not worker.unfinished.specs:
            return None
        killed = worker.process.exitcode == -signal.SIGKILL and "timeout" not in reason
        more = killed and worker.kills is not None and (exhausted.kills() or 0) > worker.kills
        return Broken(worker.unfinished, reason, reason, 0.0, more or (None if killed else False))


def _start(cohort: Cohort, settings: Settings, device: str) -> _Worker:
    kind = context(copies=device.startswith("cpu"))
    pipe, workers_end = kind.Pipe()
    process = kind.Process(target=_work, args=(workers_end, settings, device), daemon=True)
    kills = exhausted.kills()
    begin(process)
    workers_end.close()
    with suppress(BrokenPipeError):
        pipe.send(cohort)
    return _Worker(process, pipe, cohort, kills, time.monotonic(), device)


def _work(pipe: Connection, settings: Settings, device: str) -> None:
    """The main function of a worker. It takes cohorts from the pipe until it gets None.

    For each cohort it sends progress and outcomes and, at the end, None.
    """
    streams.settle_worker()
    for number in SIGNALS:  # Ctrl-C reaches all processes of a terminal, but only the parent should handle it
        signal.signal(number, signal.SIG_IGN)
    stop = Stop()
    signal.signal(signal.SIGTERM, lambda number, frame: None if stop() else stop.ask(number))
    threading.Thread(target=_end_with_parent, daemon=True).start()
    # The end of the pipe cannot be the sign to stop, because workers started later hold copies of its other end.
    with suppress(KeyboardInterrupt):  # raised after everything is saved
        while (cohort := pipe.recv()) is not None:
            with guarded():
                for outcome in carry_out(cohort, settings, device, pipe.send, stop):
                    pipe.send(outcome)
            pipe.send(None)


def _end_with_parent() -> None:
    """Ends this process when its parent ends, because workers of a killed parent would train on for no one."""
    parent = mp.parent_process()
    assert parent is not None
    parent.join()
    os._exit(1)

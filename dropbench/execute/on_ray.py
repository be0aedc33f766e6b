"""Trains cohorts on a Ray cluster. This process hands them out and stores the results; a worker that dies loses its cohort."""

from __future__ import annotations

import pickle
import time
from collections.abc import Generator, Iterator
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing.connection import wait
from typing import TYPE_CHECKING, Any

from dropbench.errors import UsageError
from dropbench.execute.agenda import Agenda
from dropbench.execute.checkpoint import check_room
from dropbench.execute.cohort import Broken, Listener, Note, Part, in_parts
from dropbench.execute.cohorts import Cohort
from dropbench.execute.environment import made_with
from dropbench.execute.ray_cluster import connect, library, shares
from dropbench.execute.ray_code import code_of
from dropbench.execute.ray_worker import Begun, Refused, Saved, Trainer
from dropbench.planning import sources
from dropbench.process.stop import Stop
from dropbench.settings import Settings
from dropbench.store.checkpoints import Checkpoints

if TYPE_CHECKING:
    from dropbench.engine.result import RunResult

_GRACE_S = 30.0
"""The time that workers get to end their update or evaluation and to send what they save."""
_LOOK_S = 10.0
"""The time between two checks of what other commands do while no message comes from the workers."""
_PATIENCE_S = 60.0
"""The time after which a note says that no worker has begun yet."""
_TICK_S = 0.25
"""The time between two checks of whether to stop, because one cannot wait for Ray and a pipe at the same time."""


@dataclass
class _Worker:
    actor: Any
    said: Any
    """Ray's reference to its next messages."""
    unfinished: Cohort
    """The unfinished runs of its current cohort."""
    begun: Begun | None = None
    """None while it waits for room on the cluster or starts."""
    heard: float = 0.0
    """The time of its last message other than a checkpoint, on this process's clock."""
    spent: bool = False
    """Whether it ran out of memory. The memory of such a process is fragmented, so another process takes its place."""


class OnRay:
    """Actors on a Ray cluster that train the cohorts of an agenda and send what is to be stored.

    They are actors and not tasks, because Ray drops the last messages of a cancelled task, which contain the checkpoint. If a
    worker or its node is lost, or sends nothing for too long, what is left of its cohort is `Broken`.
    """

    def __init__(
        self, agenda: Agenda, settings: Settings, device: str, workers: int, listen: Listener, stop: Stop
    ) -> None:
        self._agenda, self._settings, self._device, self._stop = agenda, settings, device, stop
        self._most, self._listen = workers, listen
        self._busy: list[_Worker] = []
        self._tables: dict[sources.Key, list[Any]] = {}
        """Ray's references to the data that have been sent to the cluster."""
        self._ray = library()
        self._begun = self._asked = False
        self._told: set[str] = set()

    def outcomes(self) -> Generator[RunResult | Broken | None]:
        """Yields each run as soon as it arrives, and None now and then. Closing it, or an interrupt, ends all workers.

        If this process is to stop, what the workers save is stored and then KeyboardInterrupt is raised. Raises UsageError if
        no worker can train.
        """
        connect(self._settings, self._most)
        began = time.monotonic()
        try:
            while True:
                if self._stop():
                    yield from self._last()
                    raise KeyboardInterrupt
                yield from self._employ()
                if not (self._busy or self._agenda.left):
                    return
                ready = self._wait()
                for worker in ready:
                    yield from self._receive(worker)
                yield from self._silent()
                yield None
                if not self._begun and time.monotonic() - began > _PATIENCE_S:
                    self._say("no worker has started yet: the Ray cluster has no room for one, or is still starting it")
        finally:
            self._end()

    def _employ(self) -> Iterator[Broken]:
        """Starts workers as long as there are cohorts for them."""
        while len(self._busy) < self._most and (cohort := self._agenda.next()) is not None:
            if isinstance(parts := in_parts(cohort, self._settings, self._device), Broken):
                yield parts
                continue
            worker = _Worker(self._actor(), None, cohort)
            self._busy.append(worker)
            self._train(worker, cohort, parts)

    def _actor(self) -> Any:
        cpus, gpus = shares(self._settings, cards=self._device == "cuda")
        made = made_with(self._device, self._settings.execute.threads)
        kind = self._ray.remote(num_cpus=cpus, num_gpus=gpus, max_concurrency=2, max_restarts=0)(Trainer)
        return kind.remote(self._settings, self._device, made)

    def _train(self, worker: _Worker, cohort: Cohort, parts: list[Part]) -> None:
        tables = sources.tables(cohort.specs[0], self._settings)
        for key in tables.keys() - self._tables.keys():
            self._tables[key] = [self._ray.put(tables[key])]
        sent = [(part, [state.alone() for state in states]) for part, states in parts]
        worker.unfinished, worker.begun = cohort, None
        worker.actor.train.remote(code_of(cohort), sent, {key: self._tables[key] for key in tables})
        worker.said = worker.actor.take.remote()

    def _wait(self) -> list[_Worker]:
        """Returns the workers that have sent something, or none if it is time for other checks."""
        pause = self._agenda.pause() if len(self._busy) < self._most and self._agenda.left else _LOOK_S
        if self._settings.execute.timeout:
            pause = min(pause, self._settings.execute.timeout / 4)
        until = time.monotonic() + max(0.0, min(pause, self._stop.left))
        while not self._stop():
            left = until - time.monotonic()
            if (ready := self._ready(max(0.0, min(left, _TICK_S)))) or left <= 0:
                return ready
        return []

    def _ready(self, seconds: float) -> list[_Worker]:
        if not self._busy:
            wait([self._stop.bell], seconds)
            return []
        of = {worker.said: worker for worker in self._busy}
        first, _ = self._ray.wait(list(of), num_returns=1, timeout=seconds)
        ready = self._ray.wait(list(of), num_returns=len(of), timeout=0)[0] if first else []
        return [of[said] for said in ready]

    def _receive(self, worker: _Worker) -> Iterator[RunResult | Broken]:
        try:
            messages = self._ray.get(worker.said)
        except self._ray.exceptions.RayError as error:
            yield from self._lost(worker, error)
            return
        if messages[-1] is not None:
            worker.said = worker.actor.take.remote()  # collects the next messages while these are handled
        for message in messages:
            if message is None:
                yield from self._go_on(worker)
            elif (outcome := self._heard(worker, pickle.loads(message))) is not None:
                yield outcome

    def _heard(self, worker: _Worker, message: Any) -> RunResult | Broken | None:
        from dropbench.engine.result import RunResult

        if isinstance(message, Saved):
            self._store(message)
            return None
        worker.heard = time.monotonic()
        if isinstance(message, Begun):
            worker.begun, self._begun = message, True
        elif isinstance(message, Refused):
            self._refused(worker, message.reason)
        elif isinstance(message, RunResult):
            worker.unfinished = worker.unfinished.without(message.spec.run_id)
            return message
        elif isinstance(message, Broken):
            worker.unfinished = worker.unfinished.without(*(s.run_id for s in message.cohort.specs))
            worker.spent = worker.spent or bool(message.out_of_memory)
            return message
        else:
            self._listen(message)
        return None

    def _store(self, saved: Saved) -> None:
        """Writes a checkpoint into the results folder."""
        results = self._settings.results
        try:
            check_room(results, saved.folder, len(saved.content))
            Checkpoints(results, saved.folder).put(saved.name, saved.content)
        except OSError as error:  # a full disk costs the checkpoint, not the runs
            self._say(f"a checkpoint of the runs in training could not be saved: {error.strerror or error}")

    def _refused(self, worker: _Worker, reason: str) -> None:
        """Removes a worker whose numbers would differ from this machine's, and returns its cohort to the agenda."""
        self._agenda.give_back(worker.unfinished)
        worker.unfinished, worker.spent = worker.unfinished.part(0, 0), True
        self._most -= 1
        if not self._most:
            raise UsageError(reason)
        self._say(reason)

    def _go_on(self, worker: _Worker) -> Iterator[Broken]:
        """Gives a worker that has finished its cohort the next one, or releases it."""
        while not (worker.spent or self._stop()) and (cohort := self._agenda.next()) is not None:
            if not isinstance(parts := in_parts(cohort, self._settings, self._device), Broken):
                self._train(worker, cohort, parts)
                return
            yield parts
        self._release(worker)

    def _release(self, worker: _Worker) -> None:
        """Releases a worker. Its actor ends with the last reference to it and makes room for others."""
        self._busy.remove(worker)
        worker.actor = worker.said = None

    def _silent(self) -> Iterator[Broken]:
        """Ends workers that have sent nothing for too long, and yields what is left of their cohorts."""
        timeout, now = self._settings.execute.timeout, time.monotonic()
        for worker in [w for w in self._busy if timeout and w.begun and now - w.heard > timeout]:
            if not self._ray.wait([worker.said], timeout=0)[0]:
                self._ray.kill(worker.actor)
                self._release(worker)
                reason = f"no epoch ended within {timeout:g} s (execute.timeout)"
                yield Broken(worker.unfinished, reason, reason, 0.0)

    def _lost(self, worker: _Worker, error: Exception) -> Iterator[Broken]:
        """Yields what a lost worker had in hand. Raises UsageError if no worker has ever begun, because then none will."""
        self._release(worker)
        if worker.begun is None and not self._begun:
            raise UsageError(f"no worker can start on the Ray cluster: {_last_line(error)}")
        if worker.unfinished.specs:
            where = f"the worker on node {worker.begun.node}" if worker.begun else "a worker that had not started"
            reason = f"{where} was lost"
            # For any other cause it is unknown whether memory ran out.
            memory = True if isinstance(error, self._ray.exceptions.OutOfMemoryError) else None
            yield Broken(worker.unfinished, reason, f"{reason}\n\n{error}", 0.0, memory)

    def _last(self) -> Iterator[RunResult]:
        """Lets the workers save what they train, stores it, and yields the runs that they finish meanwhile."""
        self._asked, until = True, time.monotonic() + _GRACE_S
        for worker in list(self._busy):
            if worker.begun is None:  # it has nothing to save
                self._ray.kill(worker.actor)
                self._release(worker)
            else:
                worker.actor.stop.remote()
        while self._busy and time.monotonic() < until and not self._stop.at_once:
            for worker in self._ready(_TICK_S):
                for outcome in self._receive(worker):
                    if not isinstance(outcome, Broken):
                        yield outcome

    def _end(self) -> None:
        """Ends all workers, if there is time after they have saved what they train."""
        with suppress(Exception):
            if not self._asked:
                for _ in self._last():
                    pass
        for worker in self._busy:
            with suppress(Exception):
                self._ray.kill(worker.actor)
        self._busy.clear()
        self._tables.clear()

    def _say(self, text: str) -> None:
        if text not in self._told:
            self._told.add(text)
            self._listen(Note(text))


def _last_line(error: Exception) -> str:
    """Returns the last line of an error that is not empty, which states the cause."""
    return next((line for line in reversed(str(error).splitlines()) if line.strip()), type(error).__name__).strip()

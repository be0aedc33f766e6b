"""When a cohort is saved in the middle of training, and how its runs go on from what was saved."""

from __future__ import annotations

import json
import secrets
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dropbench.execute.cohorts import Cohort
from dropbench.execute.environment import made_with
from dropbench.settings import Settings
from dropbench.spec import RunSpec
from dropbench.store import tensors
from dropbench.store.checkpoints import Checkpoints
from dropbench.store.safely import Damaged

if TYPE_CHECKING:
    from dropbench.engine.snapshot import State
    from dropbench.engine.train import Training

_FIRST_S = 2.0
"""Before a first save, at most."""
_SHARE, _MOST_SHARE = 0.01, 0.1
"""Of the time of training that saving may take: where one takes longer, the next comes later. The larger share is for who asks
for saves that are closer than they are by default."""
_USUAL_S = 30.0


class Saver:
    """Saves a training now and then, and before it stops. To be called after each update.

    The first save comes after two seconds, each next one after twice the time, until they are `execute.checkpoint` apart: a
    kill costs at most that, and no more than half of what this process had done.
    """

    def __init__(self, training: Training, settings: Settings, device: str, stop: Callable[[], bool]) -> None:
        """Begins to count.

        Parameters
        ----------
        training : Training
            What is saved.
        settings : Settings
            They say how often, and in which results folder.
        device : str
            As torch names it.
        stop : Callable
            Whether this process has been asked to stop.
        """
        self._training, self._stop, self._every = training, stop, settings.execute.checkpoint
        self._checkpoints = Checkpoints(settings.results)
        self._made = made_with(device, settings.execute.threads)
        self._name = secrets.token_hex(8)
        self._configs = {s.run_id: s.as_dict() for s in training.replicas.specs}
        self._rows: dict[str, list[str]] = {}
        """Histories so far, as JSON: what has been written once is not written out again for each save."""
        self._began = self._last = time.monotonic()
        self._apart = min(_FIRST_S, self._every.seconds or _FIRST_S)
        self._share = _SHARE if (self._every.seconds or _USUAL_S) >= _USUAL_S else _MOST_SHARE

    def __call__(self) -> None:
        """Saves where it is time to. Raises KeyboardInterrupt, once all is saved, where this process is to stop."""
        if self._stop():
            if self._every:
                self._save()
            raise KeyboardInterrupt
        if self._due():
            self._save()

    def _due(self) -> bool:
        if self._every.epochs is not None:
            underway, steps = self._training.underway, self._training.replicas.batches.steps
            return underway.step == steps and underway.epoch % self._every.epochs == 0
        return self._every.seconds is not None and time.monotonic() - self._last >= self._apart

    def _save(self) -> None:
        from dropbench.engine.snapshot import snapshot

        before = time.monotonic()
        taken = snapshot(self._training)
        runs = {run: {"config": self._configs[run], "told": self._told(run, told)} for run, told in taken.runs.items()}
        try:
            self._checkpoints.write(self._name, taken.tensors, (taken.epoch, taken.step), self._made, runs)
        except OSError as error:  # a full disk costs the checkpoint, not the run
            self._training.note(f"could not be saved while it trained: {error.strerror or error}")
        self._last = time.monotonic()
        far = self._every.seconds or _FIRST_S
        self._apart = max(min(far, self._last - self._began), (self._last - before) / self._share)

    def _told(self, run: str, told: Mapping[str, Any]) -> dict[str, Any]:
        """With its history as lines of JSON."""
        rows = self._rows.setdefault(run, [])
        rows += [json.dumps(row) for row in told["history"][len(rows) :]]
        return {**told, "history": "\n".join(rows)}


def apart(cohort: Cohort, settings: Settings, device: str) -> list[tuple[Cohort, list[State]]]:
    """A cohort in parts that can train together: those saved at one place, and those that begin, without states."""
    states = _saved(cohort.specs, settings, device)
    parts: dict[tuple[int, int], list[RunSpec]] = {}
    for spec in cohort.specs:
        state = states.get(spec.run_id)
        parts.setdefault((state.epoch, state.step) if state else (0, 0), []).append(spec)
    return [
        (Cohort(tuple(specs), cohort.outline), [states[s.run_id] for s in specs] if place != (0, 0) else [])
        for place, specs in parts.items()
    ]


def gone_on(build: Callable[[], Training], states: Sequence[State]) -> Training:
    """A training that goes on from these states, one a run and in any order, or begins where there are none that fit."""
    from dropbench.engine.snapshot import Unfit, resume

    training = build()
    if states:
        try:
            resume(training, states)
        except Unfit as error:
            training = build()
            training.note(f"what was saved of it does not fit and is left ({error}); it begins anew")
    return training


def _saved(specs: Sequence[RunSpec], settings: Settings, device: str) -> dict[str, State]:
    """Where each of these runs can go on, by run id; those that have to begin at the beginning are left out.

    A checkpoint counts for a run of the same configuration, metrics included, that was trained by the same versions, kind of
    device and number of threads: others would have given other bits.
    """
    from dropbench.engine.snapshot import Snapshot

    made = made_with(device, settings.execute.threads)
    wanted = {s.run_id: json.loads(json.dumps(s.as_dict())) for s in specs}
    by_file: dict[Path, list[str]] = {}
    latest = {run: header for run, header in Checkpoints(settings.results).latest().items() if run in wanted}
    for run, header in latest.items():
        if header.made == made and header.runs[run].get("config") == wanted[run]:
            by_file.setdefault(header.path, []).append(run)
    states: dict[str, State] = {}
    for path, runs in by_file.items():
        header = latest[runs[0]]
        try:
            held, _ = tensors.read(path)
            told = {run: _with_rows(kept["told"]) if run in runs else {} for run, kept in header.runs.items()}
        except (Damaged, LookupError, TypeError, ValueError, AttributeError):
            continue  # it was damaged, or has been replaced meanwhile
        taken = Snapshot(header.epoch, header.step, held, told)
        states |= {run: taken.state(run) for run in runs}
    return states


def _with_rows(told: Mapping[str, Any]) -> dict[str, Any]:
    """The other way round from `Saver._told`."""
    return {**told, "history": [json.loads(row) for row in told["history"].splitlines()]}

"""When a cohort is saved in the middle of training, and how its runs go on from what was saved."""

from __future__ import annotations

import json
import secrets
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dropbench.execute.cohorts import Cohort
from dropbench.execute.environment import made_with
from dropbench.settings import Settings
from dropbench.spec import RunSpec
from dropbench.store import tensors
from dropbench.store.checkpoints import RUNGS, Checkpoints
from dropbench.store.safely import Damaged

if TYPE_CHECKING:
    from dropbench.engine.snapshot import Snapshot, State
    from dropbench.engine.train import Training

_FIRST_S = 2.0
"""Before a first save, at most."""
_SHARE, _MOST_SHARE = 0.01, 0.1
"""Of the time of training that saving may take: where one takes longer, the next comes later. The larger share is for who asks
for saves that are closer than they are by default."""
_USUAL_S = 30.0


class Saver:
    """Saves a training now and then, before it stops, and where a rung of a search ends. To be called after each update.

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
        self._checkpoints, self._rungs = Checkpoints(settings.results), Checkpoints(settings.results, RUNGS)
        self._is_rung = settings.gone_on_with and training.train.stop_at is not None
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
        if (
            self._every
            and self._is_rung
            and self._training.underway.epoch == self._training.epochs
            and self._at_an_end()
        ):
            self._save_rung()
        if self._stop():
            if self._every:
                self._save()
            raise KeyboardInterrupt
        if self._due():
            self._save()

    def _due(self) -> bool:
        if self._every.epochs is not None:
            return self._at_an_end() and self._training.underway.epoch % self._every.epochs == 0
        return self._every.seconds is not None and time.monotonic() - self._last >= self._apart

    def _at_an_end(self) -> bool:
        """Whether all updates of an epoch are done, and its evaluation is not."""
        return self._training.underway.step == self._training.replicas.batches.steps

    def _save(self) -> None:
        from dropbench.engine.snapshot import snapshot

        before = time.monotonic()
        taken = snapshot(self._training)
        runs = {run: {"config": self._configs[run], "told": self._told(run, told)} for run, told in taken.runs.items()}
        self._write(self._checkpoints, taken, runs)
        self._last = time.monotonic()
        far = self._every.seconds or _FIRST_S
        self._apart = max(min(far, self._last - self._began), (self._last - before) / self._share)

    def _save_rung(self) -> None:
        """Before the evaluation with which these runs end: longer ones may have none at this epoch."""
        from dropbench.engine.snapshot import snapshot

        taken = snapshot(self._training)
        if not self._rungs.have_room(sum(tensor.nbytes for tensor in taken.tensors.values())):
            self._training.note(
                "no room on the disk to keep it where it ended: a search that goes on with it begins it anew"
            )
            return
        runs = {}
        for spec in self._training.replicas.specs:
            whole, told = spec.to_the_end, {**self._told(spec.run_id, taken.runs[spec.run_id]), "parent": spec.run_id}
            runs[whole.run_id] = {"config": whole.as_dict(), "told": told}
        self._write(self._rungs, taken, runs)

    def _write(self, to: Checkpoints, taken: Snapshot, runs: Mapping[str, Mapping[str, Any]]) -> None:
        try:
            to.write(self._name, taken.tensors, (taken.epoch, taken.step), self._made, runs)
        except OSError as error:  # a full disk costs the checkpoint, not the run
            self._training.note(f"could not be saved while it trained: {error.strerror or error}")

    def _told(self, run: str, told: Mapping[str, Any]) -> dict[str, Any]:
        """With its history as lines of JSON."""
        rows = self._rows.setdefault(run, [])
        rows += [json.dumps(row) for row in told["history"][len(rows) :]]
        return {**told, "history": "\n".join(rows)}


def apart(cohort: Cohort, settings: Settings, device: str) -> list[tuple[Cohort, list[State]]]:
    """A cohort in parts that can train together: those saved at one place, and those that begin, without states.

    A run that was not saved itself goes on from where the same one ended earlier, if that was kept.
    """
    made = made_with(device, settings.execute.threads)
    states = _saved(cohort.specs, Checkpoints(settings.results), made)
    rest = [s for s in cohort.specs if s.run_id not in states]
    kept = _saved([s.to_the_end for s in rest], Checkpoints(settings.results, RUNGS), made)
    for spec in rest:
        state = kept.get(spec.to_the_end.run_id)
        if state is not None and (spec.train.stop_at is None or state.epoch < spec.train.stop_at):
            states[spec.run_id] = replace(state, run_id=spec.run_id)
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


def _saved(specs: Sequence[RunSpec], checkpoints: Checkpoints, made: Mapping[str, Any]) -> dict[str, State]:
    """Where each of these runs can go on, by run id; those that have to begin at the beginning are left out.

    A checkpoint counts for a run of the same configuration, metrics included, that was trained by the same versions, kind of
    device and number of threads: others would have given other bits.
    """
    from dropbench.engine.snapshot import Snapshot

    by_file: dict[Path, list[str]] = {}
    found = checkpoints.latest()
    wanted = {s.run_id: json.loads(json.dumps(s.as_dict())) for s in specs if s.run_id in found}
    latest = {run: found[run] for run in wanted}
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

"""Saves cohorts in the middle of training, and lets runs continue from what was saved."""

from __future__ import annotations

import json
import secrets
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dropbench.engine.longer import differs, of_any_length, with_epochs
from dropbench.execute.cohorts import Cohort
from dropbench.execute.environment import made_with
from dropbench.settings import Settings
from dropbench.spec import RunSpec, TrainSpec
from dropbench.store import tensors
from dropbench.store.checkpoints import ENDED, RUNGS, WORK, Checkpoints, Header
from dropbench.store.safely import Damaged

if TYPE_CHECKING:
    from dropbench.engine.snapshot import Snapshot, State
    from dropbench.engine.train import Training

Save = Callable[[str, str, "Snapshot", Mapping[str, Any], Mapping[str, Mapping[str, Any]]], None]
"""A function that saves a checkpoint. Its arguments: the folder (WORK, RUNGS or ENDED), the name of the cohort's file, the
tensors, what they were made with, and for each run everything else. It raises OSError if it cannot save."""


class NoRoom(OSError):
    """Raised if the disk has no room for the rungs of a search."""


def into(results: Path) -> Save:
    """Returns a function that saves into a results folder of this machine."""

    def save(
        folder: str, name: str, taken: Snapshot, made: Mapping[str, Any], runs: Mapping[str, Mapping[str, Any]]
    ) -> None:
        check_room(results, folder, sum(tensor.nbytes for tensor in taken.tensors.values()))
        Checkpoints(results, folder).write(name, taken.tensors, (taken.epoch, taken.step), made, runs)

    return save


def check_room(results: Path, folder: str, more: int) -> None:
    """Raises NoRoom if rungs of `more` bytes would take a larger share of the disk than they may."""
    if folder == RUNGS and not Checkpoints(results, RUNGS).have_room(more):
        raise NoRoom(
            "not enough room on the disk to keep its final state: a search that continues it trains it again from the start"
        )


_FIRST_S = 2.0
"""The longest time before the first save."""
_SHARE, _MOST_SHARE = 0.01, 0.1
"""The share of training time that saving may take; if a save takes longer, the next one comes later. The larger share applies
if saves are asked for more often than by default."""
_USUAL_S = 30.0


class Saver:
    """Saves a training at intervals, before it stops, and at its end if that is asked for. It is called after each update.

    The first save comes after two seconds. The interval then doubles until it is `execute.checkpoint`. So a kill costs at
    most that time, and at most half of what this process has done.
    """

    def __init__(
        self,
        training: Training,
        settings: Settings,
        device: str,
        stop: Callable[[], bool],
        save: Save | None = None,
    ) -> None:
        """Begins to measure time.

        Parameters
        ----------
        training : Training
            The training to save.
        settings : Settings
            How often to save, and the results folder.
        device : str
            The device, by torch's name.
        stop : Callable
            Whether this process has been asked to stop.
        save : Save
            The function that saves; by default it saves into the results folder.
        """
        self._training, self._stop, self._every = training, stop, settings.execute.checkpoint
        self._keep = save or into(settings.results)
        self._at_the_end = _kept_at_the_end(training.train, settings)
        self._made = made_with(device, settings.execute.threads)
        self._name = secrets.token_hex(8)
        self._configs = {s.run_id: s.as_dict() for s in training.replicas.specs}
        self._rows: dict[str, list[str]] = {}
        """The histories so far as JSON lines, cached so that each row is converted only once."""
        self._began = self._last = time.monotonic()
        self._apart = min(_FIRST_S, self._every.seconds or _FIRST_S)
        self._share = _SHARE if (self._every.seconds or _USUAL_S) >= _USUAL_S else _MOST_SHARE

    def __call__(self) -> None:
        """Saves if it is time to. If this process is to stop, it saves and then raises KeyboardInterrupt."""
        if (
            self._at_the_end is not None
            and self._training.underway.epoch == self._training.epochs
            and self._at_an_end()
        ):
            self._save_as_ended(self._at_the_end)
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
        """Returns whether all updates of the epoch are done, which is just before its evaluation."""
        return self._training.underway.step == self._training.replicas.batches.steps

    def _save(self) -> None:
        from dropbench.engine.snapshot import snapshot

        before = time.monotonic()
        taken = snapshot(self._training)
        runs = {run: {"config": self._configs[run], "told": self._told(run, told)} for run, told in taken.runs.items()}
        self._write(WORK, taken, runs)
        self._last = time.monotonic()
        far = self._every.seconds or _FIRST_S
        self._apart = max(min(far, self._last - self._began), (self._last - before) / self._share)

    def _save_as_ended(self, folder: str) -> None:
        """Saves before the evaluation with which these runs end, because longer runs may not evaluate at this epoch."""
        from dropbench.engine.snapshot import snapshot

        taken = snapshot(self._training)
        runs = {}
        for spec in self._training.replicas.specs:
            whole = spec.to_the_end if folder == RUNGS else of_any_length(spec)
            told = {**self._told(spec.run_id, taken.runs[spec.run_id]), "parent": spec.run_id}
            runs[whole.run_id] = {"config": whole.as_dict(), "told": told}
        self._write(folder, taken, runs)

    def _write(self, folder: str, taken: Snapshot, runs: Mapping[str, Mapping[str, Any]]) -> None:
        try:
            self._keep(folder, self._name, taken, self._made, runs)
        except NoRoom as error:
            self._training.note(str(error))
        except OSError as error:  # a full disk costs the checkpoint, not the run
            self._training.note(f"its checkpoint could not be saved: {error.strerror or error}")

    def _told(self, run: str, told: Mapping[str, Any]) -> dict[str, Any]:
        """Returns a run's values with its history as lines of JSON."""
        rows = self._rows.setdefault(run, [])
        rows += [json.dumps(row) for row in told["history"][len(rows) :]]
        return {**told, "history": "\n".join(rows)}


def apart(cohort: Cohort, settings: Settings, device: str) -> list[tuple[Cohort, list[State]]]:
    """Splits a cohort into parts that can train together: runs saved at the same point, and new runs, without states.

    A run that was not saved itself continues from the end of a shorter run of the same kind, if that was kept.
    """
    made = made_with(device, settings.execute.threads)
    states = _read(_latest({s.run_id: s for s in cohort.specs}, Checkpoints(settings.results), made))
    rest = [s for s in cohort.specs if s.run_id not in states]
    for spec, state in ended_earlier(rest, settings, made):
        states[spec.run_id] = replace(state, run_id=spec.run_id)
    parts: dict[tuple[int, int], list[RunSpec]] = {}
    for spec in cohort.specs:
        place = (states[spec.run_id].epoch, states[spec.run_id].step) if spec.run_id in states else (0, 0)
        parts.setdefault(place, []).append(spec)
    return [
        (Cohort(tuple(specs), cohort.outline), [states[s.run_id] for s in specs] if place != (0, 0) else [])
        for place, specs in parts.items()
    ]


def ended_earlier(
    specs: Sequence[RunSpec], settings: Settings, made: Mapping[str, Any]
) -> Iterator[tuple[RunSpec, State]]:
    """Yields the runs of which a shorter one was kept at its end, each with that state: a rung of a search, or of fewer epochs.

    made: the environment in which they are to be trained, from `made_with`.
    """
    whole = {s.to_the_end.run_id: s.to_the_end for s in specs}
    rungs = _read(_latest(whole, Checkpoints(settings.results, RUNGS), made))
    fewer = _read(of_fewer_epochs(specs, settings, made))
    for spec in specs:
        state = rungs.get(spec.to_the_end.run_id)
        if state is not None and (spec.train.stop_at is None or state.epoch < spec.train.stop_at):
            yield spec, state
        elif fewer and of_any_length(spec).run_id in fewer:
            yield spec, fewer[of_any_length(spec).run_id]


def of_fewer_epochs(specs: Sequence[RunSpec], settings: Settings, made: Mapping[str, Any]) -> dict[str, Header]:
    """Returns checkpoints of ended runs of fewer epochs (`train.extendable`) from which these runs can continue.

    They are given by the id that runs of all lengths share, that of `of_any_length`.
    """
    kept = Checkpoints(settings.results, ENDED)
    if not kept.any():
        return {}
    whole = {of_any_length(s).run_id: s for s in specs if s.train.stop_at is None and s.train.updates is None}

    def shorter(run: str, header: Header) -> bool:
        longer = whole[run]
        return header.epoch < longer.train.epochs and differs(with_epochs(longer, header.epoch), longer) is None

    return _latest({run: of_any_length(s) for run, s in whole.items()}, kept, made, shorter)


def trained_share(specs: Sequence[RunSpec], settings: Settings, device: str) -> dict[str, float]:
    """Returns by run id the share of its epochs that each run has already done; runs that begin anew are left out."""
    made = made_with(device, settings.execute.threads)
    saved = _latest({s.run_id: s for s in specs}, Checkpoints(settings.results), made)
    rungs = _latest({s.to_the_end.run_id: s.to_the_end for s in specs}, Checkpoints(settings.results, RUNGS), made)
    fewer = of_fewer_epochs(specs, settings, made)
    shares = {}
    for spec in specs if saved or rungs or fewer else ():
        whole = min(spec.train.epochs, spec.train.stop_at or spec.train.epochs)
        ended = rungs.get(spec.to_the_end.run_id) or fewer.get(of_any_length(spec).run_id)
        if (header := saved.get(spec.run_id)) is not None:
            shares[spec.run_id] = (header.epoch - 1) / whole
        elif ended is not None:
            shares[spec.run_id] = min(ended.epoch / whole, 1.0)
    return shares


def gone_on(build: Callable[[], Training], states: Sequence[State]) -> Training:
    """Returns a training that continues from these states, one per run in any order, or begins anew if they do not fit."""
    from dropbench.engine.snapshot import Unfit, resume

    training = build()
    if states:
        try:
            resume(training, states)
        except Unfit as error:
            training = build()
            training.note(f"its checkpoint does not fit and is not used ({error}); it is trained from the start")
    return training


def _kept_at_the_end(train: TrainSpec, settings: Settings) -> str | None:
    """Returns the folder in which the ends of runs are kept, or None if they are not kept."""
    if train.stop_at is not None:
        return RUNGS if settings.gone_on_with and settings.execute.checkpoint else None
    return ENDED if settings.train_extendable and train.updates is None else None


def _latest(
    specs: Mapping[str, RunSpec],
    checkpoints: Checkpoints,
    made: Mapping[str, Any],
    fits: Callable[[str, Header], bool] = lambda run, header: True,
) -> dict[str, Header]:
    """Returns by run id the checkpoint in which each run has come farthest; runs without a valid one are left out.

    A checkpoint is valid for a run of the same configuration, including metrics, and if it was made with the same versions,
    kind of device, number of threads and matrix products, because others would have given other bits.
    """
    configs: dict[str, Any] = {}

    def counts(run: str, header: Header) -> bool:
        if run not in specs or header.made != made:
            return False
        if run not in configs:
            configs[run] = json.loads(json.dumps(specs[run].as_dict()))
        return header.runs[run].get("config") == configs[run] and fits(run, header)

    return checkpoints.latest(counts)


def _read(latest: Mapping[str, Header]) -> dict[str, State]:
    """Reads the states of runs from their checkpoints, by run id; runs whose file is damaged are left out and begin anew."""
    from dropbench.engine.snapshot import Snapshot

    by_file: dict[Path, list[str]] = {}
    for run, header in latest.items():
        by_file.setdefault(header.path, []).append(run)
    states: dict[str, State] = {}
    for path, runs in by_file.items():
        header = latest[runs[0]]
        try:
            held, _ = tensors.read(path)
            told = {run: _with_rows(kept["told"]) if run in runs else {} for run, kept in header.runs.items()}
        except (Damaged, LookupError, TypeError, ValueError, AttributeError):
            continue  # the file is damaged, or it has been replaced meanwhile
        taken = Snapshot(header.epoch, header.step, held, told)
        states |= {run: taken.state(run) for run in runs}
    return states


def _with_rows(told: Mapping[str, Any]) -> dict[str, Any]:
    """Converts the history from lines of JSON to rows, the inverse of `Saver._told`."""
    return {**told, "history": [json.loads(row) for row in told["history"].splitlines()]}

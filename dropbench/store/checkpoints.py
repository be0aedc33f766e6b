"""Checkpoints on the disk: `work/<name>.safetensors`, each the runs of one cohort in the middle of training.

A file is replaced by the next of the same cohort, and stays until none of its runs needs it. A cohort that goes on with runs
of another one's file writes its own beside it.

`ended/` holds the same of runs at their last epoch, each called by the id of the run of one epoch, which all lengths have in
common. `rungs/` holds the same of runs that ended at `train.stop_at`, for longer ones to go on with. There a run is called by
the id of the one that is trained to the end, which all rungs of a setting and seed have in common.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dropbench.store import files, tensors
from dropbench.store.safely import Damaged

WORK = "work"
"""The folder in a results folder for what is being trained; empty when nothing is."""
RUNGS = "rungs"
"""The one for runs that a search may go on with; empty once it has ended."""
ENDED = "ended"
"""The one for runs that are kept as they ended, to be trained for more epochs (`train.extendable`)."""

_OF_DISK = 0.1
_FORM = 1
"""Version of what is in a file. One of another version is left alone and not used."""
_SUFFIX = ".safetensors"


@dataclass(frozen=True)
class Header:
    """What a checkpoint says of itself without its tensors.

    Attributes
    ----------
    path : Path
        The file.
    epoch, step : int
        The epoch that was underway, from 1, and how many of its updates were done.
    made : dict
        The versions, device and threads with which it was trained: others round otherwise.
    runs : dict
        By run id, in the order of the tensors' rows, `config` and whatever else the engine keeps beside tensors.
    """

    path: Path
    epoch: int
    step: int
    made: dict[str, Any]
    runs: dict[str, dict[str, Any]]


class Checkpoints:
    """Those of one results folder, by whomever they were written. folder: WORK, RUNGS or ENDED."""

    def __init__(self, results: Path, folder: str = WORK) -> None:
        self._folder = results / folder

    def path(self, name: str) -> Path:
        """Where the checkpoint of a cohort lies."""
        return self._folder / f"{name}{_SUFFIX}"

    def write(
        self,
        name: str,
        held: Mapping[str, Any],
        place: tuple[int, int],
        made: Mapping[str, Any],
        runs: Mapping[str, Mapping[str, Any]],
    ) -> None:
        """Writes or replaces a checkpoint in one step, on the disk when this returns.

        Parameters
        ----------
        name : str
            Of the cohort.
        held : Mapping
            Tensors by name, [K, ...], one row per run.
        place : tuple
            The epoch that is underway, from 1, and how many of its updates are done.
        made, runs : Mapping
            As in `Header`, the runs in the order of the rows.

        Raises
        ------
        OSError
            Where it cannot be written.
        """
        self._folder.mkdir(parents=True, exist_ok=True)
        tensors.write(self.path(name), held, _about(place, made, runs))

    def put(self, name: str, content: bytes) -> None:
        """The same of one that another machine has made, by `dumped`."""
        self._folder.mkdir(parents=True, exist_ok=True)
        files.write_file(self.path(name), content)

    def any(self) -> bool:
        """Whether there may be one."""
        return self._folder.exists()

    def have_room(self, more: int) -> bool:
        """Whether they and so many bytes more take no more than a share of what is free on the disk."""
        held = 0
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            free = shutil.disk_usage(self._folder).free
        except OSError:
            return False
        for path in files.visible(self._folder):
            with suppress(OSError):  # gone by now
                held += path.stat().st_size
        return held + more <= _OF_DISK * free

    def latest(self, counts: Callable[[str, Header], bool] = lambda run, header: True) -> dict[str, Header]:
        """The one that each run has come farthest in, by run id. counts: whether one counts for a run."""
        latest: dict[str, Header] = {}
        for header in self.headers():
            for run in header.runs:
                if (run not in latest or _place(header) > _place(latest[run])) and counts(run, header):
                    latest[run] = header
        return latest

    def sweep(self, ended: Callable[[str], bool]) -> None:
        """Removes what nobody needs: files whose every run has ended or has come farther in another, and leftovers of kills.

        Parameters
        ----------
        ended : Callable
            Whether a run, by its id, has ended and is stored.
        """
        if not self._folder.exists():
            return
        files.sweep(self._folder)
        latest = self.latest()
        for header in list(self.headers()):
            if all(latest[run].path != header.path or ended(run) for run in header.runs if run in latest):
                header.path.unlink(missing_ok=True)
        with suppress(OSError):  # not empty
            self._folder.rmdir()

    def headers(self) -> Iterator[Header]:
        """All that can be read, in no order."""
        for path in files.visible(self._folder):
            if path.suffix == _SUFFIX and (header := _header(path)) is not None:
                yield header

    def damaged(self) -> Iterator[tuple[Path, str]]:
        """Yield each damaged file, from which no run can go on, and why. Files of another version are not among them."""
        for path in files.visible(self._folder):
            if path.suffix == _SUFFIX and _header(path) is None:
                try:
                    about = tensors.read_about(path)
                except Damaged as error:
                    yield path, str(error)
                else:
                    if about.get("form") == _FORM:
                        yield path, "its header is not what dropbench writes"


def dumped(
    held: Mapping[str, Any], place: tuple[int, int], made: Mapping[str, Any], runs: Mapping[str, Mapping[str, Any]]
) -> bytes:
    """A checkpoint as the bytes of its file, to be sent; what it is made of is as for `Checkpoints.write`."""
    return tensors.dumped(held, _about(place, made, runs))


def _about(place: tuple[int, int], made: Mapping[str, Any], runs: Mapping[str, Any]) -> dict[str, Any]:
    return {"form": _FORM, "epoch": place[0], "step": place[1], "made": made, "order": list(runs), "runs": runs}


def _header(path: Path) -> Header | None:
    """None for what is no checkpoint, is damaged, of another version or gone by now."""
    try:
        about = tensors.read_about(path)
        if about["form"] != _FORM:
            return None
        runs = {run: about["runs"][run] for run in about["order"]}
        return Header(path, int(about["epoch"]), int(about["step"]), about["made"], runs)
    except (Damaged, LookupError, TypeError, ValueError, AttributeError):
        return None


def _place(header: Header) -> tuple[int, int]:
    return header.epoch, header.step

"""Checkpoints on disk: `work/<name>.safetensors`, each with the runs of one cohort during training.

A file is replaced by the cohort's next checkpoint, and stays until none of its runs needs it. A cohort that continues runs from
another cohort's file writes its own file beside it.

`ended/` holds checkpoints of runs at their last epoch. There a run is named by the id of the same run with one epoch, which is
the same for all lengths. `rungs/` holds checkpoints of runs that ended at `train.stop_at`, from which longer runs continue.
There a run is named by the id of the run that is trained to the end, which is the same for all rungs of a setting and seed.
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
"""The folder in a results folder for runs in training; empty if there are none."""
RUNGS = "rungs"
"""The folder for runs that a search may continue; empty once the search has ended."""
ENDED = "ended"
"""The folder for final states of runs, kept to train them for more epochs (`train.extendable`)."""

_OF_DISK = 0.1
_FORM = 1
"""Version of the files' form. A file of another version is left alone and not used."""
_SUFFIX = ".safetensors"


@dataclass(frozen=True)
class Header:
    """The header of a checkpoint: everything but its tensors.

    Attributes
    ----------
    path : Path
        The file.
    epoch, step : int
        The current epoch, from 1, and how many of its updates were done.
    made : dict
        The versions, device and threads with which it was trained, since others round differently.
    runs : dict
        By run id, in the order of the tensors' rows: `config` and whatever else the engine stores beside tensors.
    """

    path: Path
    epoch: int
    step: int
    made: dict[str, Any]
    runs: dict[str, dict[str, Any]]


class Checkpoints:
    """All checkpoints of one results folder, whoever wrote them. folder: WORK, RUNGS or ENDED."""

    def __init__(self, results: Path, folder: str = WORK) -> None:
        self._folder = results / folder

    def path(self, name: str) -> Path:
        """Returns the path of a cohort's checkpoint."""
        return self._folder / f"{name}{_SUFFIX}"

    def write(
        self,
        name: str,
        held: Mapping[str, Any],
        place: tuple[int, int],
        made: Mapping[str, Any],
        runs: Mapping[str, Mapping[str, Any]],
    ) -> None:
        """Writes or replaces a checkpoint in one step. It is on the disk when this returns.

        Parameters
        ----------
        name : str
            The cohort's name.
        held : Mapping
            Tensors by name, [K, ...], one row per run.
        place : tuple
            The current epoch, from 1, and how many of its updates are done.
        made, runs : Mapping
            As in `Header`, the runs in the order of the rows.

        Raises
        ------
        OSError
            If it cannot be written.
        """
        self._folder.mkdir(parents=True, exist_ok=True)
        tensors.write(self.path(name), held, _about(place, made, runs))

    def put(self, name: str, content: bytes) -> None:
        """Writes or replaces a checkpoint that another machine made with `dumped`."""
        self._folder.mkdir(parents=True, exist_ok=True)
        files.write_file(self.path(name), content)

    def any(self) -> bool:
        """Returns whether there may be any checkpoint."""
        return self._folder.exists()

    def have_room(self, more: int) -> bool:
        """Returns whether the checkpoints with `more` additional bytes take at most a tenth of the free space on the disk."""
        held = 0
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            free = shutil.disk_usage(self._folder).free
        except OSError:
            return False
        for path in files.visible(self._folder):
            with suppress(OSError):  # it has been removed meanwhile
                held += path.stat().st_size
        return held + more <= _OF_DISK * free

    def latest(self, counts: Callable[[str, Header], bool] = lambda run, header: True) -> dict[str, Header]:
        """Returns the most advanced checkpoint of each run, by run id. counts: whether a checkpoint counts for a run."""
        latest: dict[str, Header] = {}
        for header in self.headers():
            for run in header.runs:
                if (run not in latest or _place(header) > _place(latest[run])) and counts(run, header):
                    latest[run] = header
        return latest

    def sweep(self, ended: Callable[[str], bool]) -> None:
        """Removes files whose every run has ended or is further in another file, and leftovers of killed writers.

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
        """Yields the headers of all readable checkpoints, in no particular order."""
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
                        yield path, "its header was not written by dropbench"


def dumped(
    held: Mapping[str, Any], place: tuple[int, int], made: Mapping[str, Any], runs: Mapping[str, Mapping[str, Any]]
) -> bytes:
    """Returns a checkpoint as the bytes of its file, to be sent. The arguments are those of `Checkpoints.write`."""
    return tensors.dumped(held, _about(place, made, runs))


def _about(place: tuple[int, int], made: Mapping[str, Any], runs: Mapping[str, Any]) -> dict[str, Any]:
    return {"form": _FORM, "epoch": place[0], "step": place[1], "made": made, "order": list(runs), "runs": runs}


def _header(path: Path) -> Header | None:
    """Returns a file's header; None if it is no checkpoint, is damaged, of another version or has been removed meanwhile."""
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

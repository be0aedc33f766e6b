"""TensorBoard: `tensorboard --logdir results/logs/tensorboard`.

Each run has a folder for data about the whole run, with two folders inside, `train` and `val`. Their scalars have the same
names, so TensorBoard draws both in one chart. The event files have the format of `torch.utils.tensorboard` and are written
with its own functions, but not by its SummaryWriter: that keeps a thread and an open file for each folder, and a sweep has
thousands.
"""

from __future__ import annotations

import re
import shutil
import socket
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tensorboard.compat.proto.event_pb2 import Event
from torch.utils.tensorboard import RecordWriter
from torch.utils.tensorboard.summary import hparams, scalar

from dropbench.loggers.base import Row, Run

if TYPE_CHECKING:
    from dropbench.store import Record

FINAL = "final/"
"""The prefix of a run's metrics at its chosen epoch."""


class TensorBoard:
    """Writes to `<folder>/<arm>-seed<seed>-<run_id>/`; the folder's name is all that a chart shows about a run."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._folder = folder
        self._places = {place.name.rpartition("-")[2]: place for place in folder.iterdir()}
        self._runs: dict[str, Run] = {}
        self._files: dict[Path, Path] = {}

    def begin(self, run: Run) -> None:
        """Removes the log of an earlier attempt at this run."""
        arm = re.sub(r"[^\w.=+]+", "_", run.arm).strip("_")[:100] or "run"  # the length of a file's name is limited
        place = self._folder / f"{arm}-seed{run.seed}-{run.run_id}"
        for old in {
            place,
            self._places.get(run.run_id, place),
        }:  # the first may belong to a command that began after this one
            shutil.rmtree(old, ignore_errors=not old.exists())
            self._forget(old)
        self._runs[run.run_id] = run
        self._places[run.run_id] = place

    def epoch(self, run_id: str, row: Row) -> None:
        """Writes a row as scalars, with training and validation in separate folders."""
        place = self._places[run_id]
        step = int(row["epoch"])
        parts: dict[Path, dict[str, float]] = {}
        for key, value in row.items():
            part, _, rest = key.partition("_")
            if part in ("train", "val"):
                parts.setdefault(place / part, {})[rest] = value
            elif key != "epoch":
                parts.setdefault(place, {})[f"gap/{rest}" if part == "gap" else key] = value
        for folder, values in parts.items():
            self._write(folder, [scalar(tag, value) for tag, value in values.items()], step)

    def end(self, record: Record) -> None:
        """Writes the data about the whole run."""
        run, place = self._runs.pop(record.run_id), self._places[record.run_id]
        if record.status != "failed":  # a failed run is retried, and its log then begins again
            step = record.chosen_epoch or record.epochs_run
            final = {f"{FINAL}{key}": value for key, value in record.metrics.items()}
            settings = {key: _plain(value) for key, value in run.settings.items() if value is not None}
            # TensorBoard uses the first description of an experiment for all runs; without one it derives it from all runs.
            _, start, finish = hparams(settings, final)
            self._write(place, [*(scalar(tag, value) for tag, value in final.items()), start, finish], step)
        self._forget(place)

    def close(self) -> None:
        """Does nothing, since no file is open."""

    def _forget(self, place: Path) -> None:
        for folder in (place, place / "train", place / "val"):
            self._files.pop(folder, None)

    def _write(self, folder: Path, summaries: Sequence[Any], step: int) -> None:
        now = time.time()
        events = [Event(wall_time=now, step=step, summary=summary) for summary in summaries]
        if folder not in self._files:
            folder.mkdir(parents=True, exist_ok=True)
            self._files[folder] = folder / f"events.out.tfevents.{now:.6f}.{socket.gethostname()}"
            events.insert(0, Event(wall_time=now, file_version="brain.Event:2"))
        with self._files[folder].open("ab") as file:
            writer = RecordWriter(file)
            for event in events:
                writer.write(event.SerializeToString())


def _plain(value: Any) -> bool | float | str:
    """Returns a value of a type that a hyperparameter may have; other values become text, as typed."""
    from dropbench.values import written

    return value if isinstance(value, bool | int | float | str) else written(value)

"""MLflow: one experiment per study, in the store that MLFLOW_TRACKING_URI names or in a file in the results folder.

The file is an SQLite database, which MLflow recommends over folders of text files: `mlflow ui --backend-store-uri
sqlite:///.../mlflow.db`.
"""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

# MLflow prints links to standard output, which may contain JSON, and sends usage statistics over the network.
os.environ.setdefault("MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT", "true")
os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")

from mlflow.entities import Metric, Param, RunTag
from mlflow.tracking import MlflowClient

from dropbench.loggers.base import Row, Run
from dropbench.values import written

if TYPE_CHECKING:
    from dropbench.store import Record

RUN_ID, ARM, STATUS, RESULTS = "run_id", "arm", "status", "results"
"""Our tags. results: the folder of the records, which distinguishes two people who log the same run to one server."""
_MOST_METRICS, _MOST_PARAMS = 1000, 100
"""The largest numbers that MLflow accepts in one call."""
_PAUSE_S = 2.0
_SHARE = 0.05
"""Epochs are sent in groups: at most every `_PAUSE_S`, and for at most this share of the time."""
_T = TypeVar("_T")
_ENDS = {"completed": "FINISHED", "diverged": "FAILED", "failed": "FAILED"}


@dataclass
class _Open:
    id: str
    waiting: list[Metric] = field(default_factory=list)


class MLflow:
    """Logs settings as parameters, history columns as metrics with the epoch as the step, and run id and arm as tags.

    Values that are measured once (`test_*`, probes) are metrics under their own names. `final/val_loss` is the value of the
    chosen epoch, `val_loss` that of the last epoch.
    """

    def __init__(self, folder: Path, experiment: str) -> None:
        # It logs the tables that it creates, and pages of traceback for errors that we report in one line.
        logging.getLogger("mlflow").setLevel(logging.CRITICAL)
        uri, artifacts = os.environ.get("MLFLOW_TRACKING_URI"), None
        if not uri:
            folder.mkdir(parents=True, exist_ok=True)
            uri = f"sqlite:///{(folder / 'mlflow.db').resolve().as_posix()}"
            artifacts = (folder / "artifacts").resolve().as_uri()
        self._client = MlflowClient(tracking_uri=uri)
        found = self._client.get_experiment_by_name(experiment)
        self._experiment: str = (
            found.experiment_id if found else self._client.create_experiment(experiment, artifact_location=artifacts)
        )
        self._results = str(folder.resolve().parents[1])
        self._open: dict[str, _Open] = {}
        self._due = time.monotonic() + _PAUSE_S

    def begin(self, run: Run) -> None:
        """Removes the log of an earlier attempt at this run."""
        for old in self._client.search_runs([self._experiment], f"tags.{RUN_ID} = '{run.run_id}'"):
            if old.data.tags.get(RESULTS) == self._results:
                self._client.delete_run(old.info.run_id)
        tags = {RUN_ID: run.run_id, ARM: run.arm, RESULTS: self._results}
        tags |= {"mlflow.source.name": "dropbench", "mlflow.source.type": "LOCAL"}
        created = self._client.create_run(self._experiment, tags=tags, run_name=f"{run.arm}, seed {run.seed}")
        self._open[run.run_id] = _Open(created.info.run_id)
        params = [Param(key, written(value)) for key, value in run.settings.items()]
        for some in _chunks(params, _MOST_PARAMS):
            self._client.log_batch(created.info.run_id, params=some)

    def epoch(self, run_id: str, row: Row) -> None:
        """Keeps a row, to send it together with others."""
        now, step = round(1000 * time.time()), int(row["epoch"])
        self._open[run_id].waiting += [Metric(k, float(v), now, step) for k, v in row.items() if k != "epoch"]
        if (began := time.monotonic()) >= self._due:
            for run in self._open.values():
                self._send(run)
            took = time.monotonic() - began
            self._due = time.monotonic() + max(_PAUSE_S, took / _SHARE)

    def end(self, record: Record) -> None:
        """Sends the remaining rows and the metrics of the chosen epoch, and ends the run."""
        run = self._open.pop(record.run_id)
        now, step = round(1000 * time.time()), record.chosen_epoch or record.epochs_run
        run.waiting += [Metric(_final(key), float(value), now, step) for key, value in record.metrics.items()]
        self._send(run)
        tags: dict[str, str] = {STATUS: record.status}
        tags |= {"mlflow.note.content": record.reason} if record.reason else {}
        tags |= {"mlflow.source.git.commit": record.git_commit} if record.git_commit else {}
        self._client.log_batch(run.id, tags=[RunTag(key, value) for key, value in tags.items()])
        self._client.set_terminated(run.id, _ENDS[record.status])

    def close(self) -> None:
        """Sends the remaining rows of interrupted runs."""
        for run in self._open.values():
            self._send(run)
            self._client.set_terminated(run.id, "KILLED")
        self._open.clear()

    def _send(self, run: _Open) -> None:
        for some in _chunks(run.waiting, _MOST_METRICS):
            self._client.log_batch(run.id, metrics=some)
        run.waiting = []


def _final(key: str) -> str:
    return f"final/{key}" if key.startswith(("train_", "val_", "gap_")) else key


def _chunks(items: Sequence[_T], most: int) -> list[Sequence[_T]]:
    return [items[i : i + most] for i in range(0, len(items), most)]

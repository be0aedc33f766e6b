"""The files that lie beside a run's record: its weights, and what its test split said."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dropbench.execute.cohort import Failure
from dropbench.settings import Settings
from dropbench.spec import RunSpec
from dropbench.store import Store
from dropbench.store.record import PREDICTIONS, WEIGHTS

if TYPE_CHECKING:
    from dropbench.engine.result import RunResult, Weights


def files_of(outcome: RunResult | Failure, settings: Settings, store: Store) -> dict[str, bytes]:
    """Content by name of what is kept beside the record of a run; nothing of one that failed or diverged.

    A run that was trained again, and is the same, keeps the weights that it had.
    """
    from dropbench.store import predictions

    files: dict[str, bytes] = {}
    if isinstance(outcome, Failure):
        return files
    if (said := outcome.predictions) is not None:
        held: dict[str, Any] = {name: array for name, array in said.items() if name != "total"}
        files[PREDICTIONS] = predictions.dumped(predictions.Predictions(int(said["total"]), **held))
    if outcome.weights is not None:
        files[WEIGHTS] = _weights(outcome.weights, outcome.spec, settings)
    before = store.finished(outcome.spec.run_id)
    if before is not None and before.metrics.items() <= outcome.metrics.items():
        files = kept_files(store.folder(outcome.spec.run_id), (WEIGHTS, PREDICTIONS)) | files
    return files


def kept_files(folder: Path, names: Sequence[str] = ("history.csv", WEIGHTS, PREDICTIONS)) -> dict[str, bytes]:
    """Content by name of what lies beside a record and outlives it: its epochs, its weights, what its test split said."""
    return {name: (folder / name).read_bytes() for name in names if (folder / name).is_file()}


def _weights(weights: Weights, spec: RunSpec, settings: Settings) -> bytes:
    """The weights of a run, with what a new example needs to be seen as the run's own were."""
    import torch

    from dropbench.planning.outline import outline
    from dropbench.planning.sources import load
    from dropbench.store import tensors

    table = load(spec.data, settings)
    of = outline(spec.model, table, spec.train.says_variance)
    about = {
        "run_id": spec.run_id,
        "epoch": weights.epoch,
        "rates": weights.rates,
        "task": of.task,
        "view": of.view,
        "shape": list(of.shape),
        "edges": of.shape.edges,
        "numbers": of.shape.numbers,
        "levels": list(of.shape.levels),
        "n_classes": of.n_classes,
        "axes": table.axes,
        "example": list(table.shape),
        "words": table.words,
        "columns": None if table.prepared is None else table.prepared.columns.dumped(),
        "classes": table.classes,
    }
    return tensors.dumped({name: torch.from_numpy(array) for name, array in weights.arrays.items()}, about)

"""The files that are stored with a run's record: its weights and its predictions on the test split."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dropbench.execute.cohort import Failure
from dropbench.settings import Settings
from dropbench.spec import RunSpec
from dropbench.store import Store
from dropbench.store.kept_files import fault
from dropbench.store.record import PREDICTIONS, WEIGHTS

if TYPE_CHECKING:
    from dropbench.engine.result import RunResult, Weights


def files_of(outcome: RunResult | Failure, settings: Settings, store: Store) -> dict[str, bytes]:
    """Returns the contents by name of the files to store with a run's record; none for a run that failed or diverged.

    If a run was trained again and its stored metrics have the same values again, it keeps the weights and predictions stored
    before, unless there are new ones, or they are damaged.
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
    if before is not None and all(_same(value, outcome.metrics.get(name)) for name, value in before.metrics.items()):
        folder = store.folder(outcome.spec.run_id)
        files = kept_files(folder, [name for name in (WEIGHTS, PREDICTIONS) if fault(folder, name) is None]) | files
    return files


def _same(before: float, now: float | None) -> bool:
    """Returns whether a metric has the same value again; NaN is one that it may have, where it is not defined."""
    return before == now or (now is not None and math.isnan(before) and math.isnan(now))


def kept_files(folder: Path, names: Sequence[str] = ("history.csv", WEIGHTS, PREDICTIONS)) -> dict[str, bytes]:
    """Returns the contents by name of files that stay when a record is replaced: history, weights and predictions."""
    return {name: (folder / name).read_bytes() for name in names if (folder / name).is_file()}


def _weights(weights: Weights, spec: RunSpec, settings: Settings) -> bytes:
    """Returns a file of a run's weights, with all that is needed to prepare new examples as the run's own were."""
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

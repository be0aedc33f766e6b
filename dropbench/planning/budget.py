"""Converts a budget in updates to epochs, for the data of a run."""

from __future__ import annotations

from dropbench.data import text
from dropbench.data.base import Table
from dropbench.data.split import batch_sizes
from dropbench.planning.checks import training_examples
from dropbench.planning.outline import Outline
from dropbench.spec import RunSpec


def epochs_of(spec: RunSpec, table: Table, outline: Outline) -> int:
    """Returns the number of epochs for `train.updates`, the last perhaps incomplete; without such a budget, the spec's epochs.

    Raises UsageError if the data are too few for a split.
    """
    if (updates := spec.train.updates) is None:
        return spec.train.epochs
    batch = spec.train.batch_size
    if outline.view == "text":
        steps = len(text.fold(text.part(table, "train", spec.data.n_train)[0], batch, table.window or 0))
    else:
        steps = len(batch_sizes(training_examples(spec.data, table), batch))
    return -(-updates // steps)

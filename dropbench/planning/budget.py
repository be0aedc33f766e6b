"""How many epochs a budget in updates is, on the data of a run."""

from __future__ import annotations

from dropbench.data import text
from dropbench.data.base import Table
from dropbench.data.split import batch_sizes
from dropbench.planning.checks import training_examples
from dropbench.planning.outline import Outline
from dropbench.spec import RunSpec


def epochs_of(spec: RunSpec, table: Table, outline: Outline) -> int:
    """As many as `train.updates` takes, the last of them perhaps not whole; those of the spec where it has no such budget.

    Raises UsageError where the data do not suffice for a split.
    """
    if (updates := spec.train.updates) is None:
        return spec.train.epochs
    batch = spec.train.batch_size
    if outline.view == "text":
        steps = len(text.fold(text.part(table, "train", spec.data.n_train)[0], batch, table.window or 0))
    else:
        steps = len(batch_sizes(training_examples(spec.data, table), batch))
    return -(-updates // steps)

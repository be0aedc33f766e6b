"""The batches of a run: of examples, or of running text."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import torch

from dropbench.data.base import Table
from dropbench.engine.example_batches import ExampleBatches
from dropbench.engine.text_batches import TextBatches
from dropbench.spec import Augment, DataSpec

Batches = ExampleBatches | TextBatches


def batches_for(
    table: Table,
    data: DataSpec,
    view: str,
    batch_size: int,
    augmentation: Augment,
    seeds: Sequence[int],
    device: torch.device,
    class_weights: Literal["balanced"] | None = None,
) -> Batches:
    """The batches of a table for one replica a seed.

    Parameters
    ----------
    table : Table
        All examples, or a text.
    data : DataSpec
        How it is split.
    view : str
        How the model sees an example: see data/views.py.
    batch_size : int
        Examples of a step; of running text, columns.
    augmentation : Augment
        Of training examples; none of text.
    seeds : Sequence[int]
        One a replica; those that are equal share split, order and augmentation.
    device : torch.device
        Where the batches lie.
    class_weights : str or None
        How much training examples count in the loss: see `ExampleBatches`. Running text has none.
    """
    if view == "text":
        return TextBatches(table, data, batch_size, seeds, device)
    return ExampleBatches(table, data, view, batch_size, augmentation, seeds, device, class_weights)

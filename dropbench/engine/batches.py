"""Chooses the kind of batches for a run: batches of examples or of running text."""

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
    """Returns the batches of a table for a stack with one replica per seed.

    Parameters
    ----------
    table : Table
        All examples, or a text.
    data : DataSpec
        How it is split.
    view : str
        The form in which the model receives an example: see data/views.py.
    batch_size : int
        Examples per step; for running text, columns.
    augmentation : Augment
        The augmentation of training examples; not used for text.
    seeds : Sequence[int]
        One per replica; replicas with equal seeds share split, order and augmentation.
    device : torch.device
        The device of the batches.
    class_weights : str or None
        How much training examples count in the loss: see `ExampleBatches`. Not used for text.
    """
    if view == "text":
        return TextBatches(table, data, batch_size, seeds, device)
    return ExampleBatches(table, data, view, batch_size, augmentation, seeds, device, class_weights)

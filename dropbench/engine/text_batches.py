"""Batches of running text: windows in the order of the text, so that a model can carry its state from batch to batch."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from dropbench.data import text
from dropbench.data.base import Table
from dropbench.data.batch import Batch
from dropbench.spec import DataSpec


class TextBatches:
    """Batches of running text, with the methods of `ExampleBatches`: x and y [K, B, T] int64, y being the next word of each x.

    Every epoch and every evaluation of a part begins at the start of the text. Within it, column b of a batch continues
    where column b of the batch before ended. Nothing is random: all replicas and epochs read the same words in the same
    order, and K is an expanded axis, not a copy.
    """

    def __init__(
        self, table: Table, data: DataSpec, batch_size: int, seeds: Sequence[int], device: torch.device
    ) -> None:
        texts = {name: text.part(table, name, data.n_train) for name in ("train", "val", "test")}
        window = table.window or 0  # `Table` makes sure that running text has a window.
        self._replicas = len(seeds)
        self._train = _windows(texts["train"], batch_size, window, device)
        self._total = len(table.y)
        # For the train-validation gap, the training part has as many words as validation, in as many columns.
        n_val = len(texts["val"][0])
        texts["train"] = texts["train"][0][:n_val], texts["train"][1][:n_val]
        self._parts = {name: _whole(pair, window, device) for name, pair in texts.items()}
        self._rows = {name: text.rows(table, name, data.n_train)[: len(texts[name][0])].to(device) for name in texts}

    def part_sizes(self) -> dict[str, int]:
        """Returns how many words are predicted in an epoch of training, and in the whole of validation and test."""
        return {"train": self._train[1].numel()} | {p: len(self._rows[p]) for p in ("val", "test")}

    @property
    def steps(self) -> int:
        """The number of updates per epoch."""
        return len(self._train[0])

    def epoch(self, done: int = 0) -> Iterator[Batch]:
        """Yields the training text once, in `batch_size` columns, skipping the first `done` windows.

        Incomplete windows are left out.
        """
        x, y = self._train
        return self._batches((x[done:], y[done:]))

    def states(self) -> dict[str, Tensor]:
        """Returns an empty dictionary, because nothing is random."""
        return {}

    def resume(self, states: Sequence[Mapping[str, Tensor]]) -> None:
        """Does nothing, because there is no state."""

    def part(self, part: str, chunk: int) -> Iterator[Batch]:
        """Yields every word of a part, in 20 columns whatever the batch size, or in fewer if it is shorter than 20 windows.

        All windows are complete; words that fill them up at the ends of the columns are not counted.

        `train` is the beginning of the training text, with as many words as validation, because evaluating on all of it
        would cost a third of an epoch's training. `chunk` is not used; windows come one by one.
        """
        windows = self._parts[part]
        for batch, counted in zip(self._batches((windows.x, windows.y)), windows.counted, strict=True):
            yield batch if bool(counted.all()) else replace(batch, counted=counted)

    @property
    def total(self) -> int:
        """The number of words in the whole text."""
        return self._total

    def rows(self, part: str) -> Tensor:
        """Returns the positions in the whole text of the words that are predicted in `part`, in its order, [K, n]."""
        windows = self._parts[part]
        return self._rows[part][windows.places[windows.counted]].expand(self._replicas, -1)

    def targets(self) -> None:
        """Returns None, because words are not standardised."""

    def preprocessing(self) -> dict[str, Tensor]:
        """Returns an empty dictionary, because nothing is fitted to words."""
        return {}

    def narrowed(self, replicas: Tensor) -> TextBatches:
        """Returns the batches of these replicas only."""
        narrower = copy.copy(self)
        narrower._replicas = len(replicas)
        return narrower

    def _batches(self, windows: tuple[Tensor, Tensor]) -> Iterator[Batch]:
        for x, y in zip(*windows, strict=True):
            yield Batch(x.expand(self._replicas, -1, -1), y.expand(self._replicas, -1, -1))


@dataclass(frozen=True)
class _Whole:
    """A part of the text in windows that contain every word, [windows, columns, window] each: see `text.fold_whole`."""

    x: Tensor
    y: Tensor
    places: Tensor
    counted: Tensor


def _whole(pair: tuple[Tensor, Tensor], window: int, device: torch.device) -> _Whole:
    n = len(pair[0])
    places, counted = text.fold_whole(n, text.evaluation_columns(n, window), window)
    return _Whole(*(t.to(device) for t in (pair[0][places], pair[1][places], places, counted)))


def _windows(pair: tuple[Tensor, Tensor], columns: int, window: int, device: torch.device) -> tuple[Tensor, Tensor]:
    """Returns the windows of words and those of their next words."""
    x, y = (text.fold(side, columns, window).to(device) for side in pair)
    return x, y

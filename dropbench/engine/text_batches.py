"""Batches of running text: windows in the order of the text, so that a model can carry its state from one to the next."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping, Sequence

import torch
from torch import Tensor

from dropbench.data import text
from dropbench.data.base import Table
from dropbench.engine.batch import Batch
from dropbench.spec import DataSpec


class TextBatches:
    """What `ExampleBatches` is for examples: x and y [K, B, T] int64, y the word after each of x.

    Every epoch and every part begins a text anew; in between, column b of a batch goes on where column b of the batch
    before it ended. Nothing is drawn: all replicas and all epochs read the same words in the same order, and K is an
    expanded axis, not a copy.
    """

    def __init__(
        self, table: Table, data: DataSpec, batch_size: int, seeds: Sequence[int], device: torch.device
    ) -> None:
        texts = {name: text.part(table, name, data.n_train) for name in ("train", "val", "test")}
        window = table.window or 0  # Table says that there is one.
        self._replicas = len(seeds)
        self._train = _windows(texts["train"], batch_size, window, device)
        self._total = len(table.y)
        rows = text.rows(table, "test", data.n_train)[:-1]
        self._places = {"test": text.fold(rows, text.evaluation_columns(len(rows), window), window).to(device)}
        # The training side of the gap is as long as the validation side, and in as many columns.
        n_val = len(texts["val"][0])
        texts["train"] = texts["train"][0][:n_val], texts["train"][1][:n_val]
        self._parts = {
            name: _windows(pair, text.evaluation_columns(len(pair[0]), window), window, device)
            for name, pair in texts.items()
        }

    def part_sizes(self) -> dict[str, int]:
        """Words that are predicted: in an epoch of training, and in the whole of validation and test."""
        return {"train": self._train[1].numel()} | {p: self._parts[p][1].numel() for p in ("val", "test")}

    @property
    def steps(self) -> int:
        """Updates an epoch."""
        return len(self._train[0])

    def epoch(self, done: int = 0) -> Iterator[Batch]:
        """The training text once, `batch_size` columns side by side, but for the first `done` windows.

        Windows that would not be whole are left out.
        """
        x, y = self._train
        return self._batches((x[done:], y[done:]))

    def states(self) -> dict[str, Tensor]:
        """Nothing is drawn."""
        return {}

    def resume(self, states: Sequence[Mapping[str, Tensor]]) -> None:
        """Nothing was drawn."""

    def part(self, part: str, chunk: int) -> Iterator[Batch]:
        """A part in 20 columns, whatever the batch size; fewer where it is shorter than 20 windows.

        `train` is the beginning of the training text, as many words as validation has: on all of it an evaluation would
        cost a third of an epoch's training. `chunk` is not used, as windows go one by one.
        """
        return self._batches(self._parts[part])

    @property
    def total(self) -> int:
        """Words of the whole text."""
        return self._total

    def rows(self, part: str) -> Tensor:
        """The places in the whole text of the words that `part` gives, in its order, [K, n]."""
        return self._places[part].flatten().expand(self._replicas, -1)

    def preprocessing(self) -> dict[str, Tensor]:
        """Nothing is fitted to words."""
        return {}

    def narrowed(self, replicas: Tensor) -> TextBatches:
        """The batches of these replicas only."""
        narrower = copy.copy(self)
        narrower._replicas = len(replicas)
        return narrower

    def _batches(self, windows: tuple[Tensor, Tensor]) -> Iterator[Batch]:
        for x, y in zip(*windows, strict=True):
            yield Batch(x.expand(self._replicas, -1, -1), y.expand(self._replicas, -1, -1))


def _windows(pair: tuple[Tensor, Tensor], columns: int, window: int, device: torch.device) -> tuple[Tensor, Tensor]:
    """The windows of words and of the words after them."""
    x, y = (text.fold(side, columns, window).to(device) for side in pair)
    return x, y

"""The table that a data set returns: all examples in one tensor, so that splits are indices and batches are gathers."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import torch
from torch import Tensor

from dropbench.errors import UsageError

if TYPE_CHECKING:
    from dropbench.data.tabular.prepare import Prepared


@dataclass(frozen=True)
class Graph:
    """The graph of a table whose examples are the nodes.

    features: [N, F] float32, one row per node, as the model receives them: they are not normalised later.
    edges: [2, E] int64 node numbers. They are undirected: an edge may be given in one direction or in both, and repeatedly;
        self-loops are ignored. Each edge is kept once, in order, so that the fingerprint of a graph does not depend on how its
        edges were listed.
    """

    features: Tensor
    edges: Tensor

    def __post_init__(self) -> None:
        if self.edges.ndim == 2 and len(self.edges) == 2 and not self.edges.is_floating_point():
            low, high = self.edges.amin(0), self.edges.amax(0)
            once = torch.stack([low, high])[:, low != high].unique(dim=1)
            object.__setattr__(self, "edges", once)


_NEEDS = {"T": ("vocabulary",), "W": ("vocabulary", "window", "val"), "N": ("graph",)}
"""The attributes that a table needs, by its axes."""


@dataclass(frozen=True)
class Table:
    """A data set in memory, with a class or a number as the target of each example.

    x: [N, *shape], one of
        float32 on its raw scale (images in 0..1); the engine normalises it, from training examples only;
        int64 word numbers, axes "T": a text of T words per example;
        int64 word numbers, axes "W", [N, 1]: one running text; each word is an example, and `y` is the next word;
        int64 node numbers 0..N-1, axes "N", [N, 1]: the nodes of `graph`.
    y: [N] int64 in 0..n_classes-1; for the task "regress", float32 in the target's own unit with n_classes 1.
    axes: a letter for each axis of one example: "CHW" for images, "F" for features, "TF" for sequences; see above.
    test: row numbers of the official test split; None: one is drawn.
    val: row numbers of the official validation split, only together with `test`; None: validation is drawn.
    train: with `val`, the rows that training may use; None: all rows that are not in `val` or `test`.
    vocabulary: how many different word numbers there are, 0..vocabulary-1.
    window: the number of words of running text that a model reads at a time. The training text comes first in x, and the
        validation and test rows are ranges without gaps.
    words: the word of each number; `<unk>` stands for all other words. None: predictions for new sentences need word
        numbers. Not part of the fingerprint, since it changes no number.
    files: all files that the loader read. As long as they do not change, the fingerprint is computed only once; without
        files, it is computed at each start.
    columns: the names of the features, for messages; read_numbers returns them.
    task: "classify" or "regress".
    classes: the names of the classes, by number; empty: the numbers are the names.
    prepared: for tables whose inputs are computed from their columns by a fit to the training rows of each seed; x then
        holds the unfitted inputs and is not normalised.
    groups: [N] int64; rows with the same number stay together in training, validation or test.
    times: [N] float64; the latest rows are for test, the ones before for validation, the earliest for training.
    weights: [N] float32, the weight of each row in the training loss.
    notes: what a user should know about how the data were read. Not part of the fingerprint.
    remedies: notes on rows that should perhaps not be split at random, with what to type; they are told before the other
        notes, and with an answer once more.
    first_line: for a single file in `files` with one row per line: the line of the first row, from 1; for messages.
    """

    name: str
    x: Tensor
    y: Tensor
    axes: str
    n_classes: int
    test: Tensor | None = None
    source: str = ""
    val: Tensor | None = None
    train: Tensor | None = None
    vocabulary: int | None = None
    window: int | None = None
    graph: Graph | None = None
    words: tuple[str, ...] | None = None
    files: tuple[Path, ...] = ()
    columns: tuple[str, ...] = ()
    first_line: int | None = None
    task: Literal["classify", "regress"] = "classify"
    classes: tuple[str, ...] = ()
    prepared: Prepared | None = None
    groups: Tensor | None = None
    times: Tensor | None = None
    weights: Tensor | None = None
    notes: tuple[str, ...] = ()
    remedies: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if (self.val is not None and self.test is None) or (self.train is not None and self.val is None):
            raise UsageError(
                f"data '{self.name}': official training rows need official validation rows, and these need official test rows"
            )
        for needed in _NEEDS.get(self.axes, ()):
            if getattr(self, needed) is None:
                raise UsageError(f"data '{self.name}': axes {self.axes!r} need a {needed}")
        if self.groups is not None and self.times is not None:
            raise UsageError(f"data '{self.name}': rows are split by groups or by time, not by both")

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape of one example."""
        return tuple(self.x.shape[1:])

    @property
    def strata(self) -> Tensor:
        """[N] int64: the classes, by which splits are stratified; all equal for regression."""
        return self.y if self.task == "classify" else torch.zeros(len(self.y), dtype=torch.int64)

    @cached_property
    def fingerprint(self) -> str:
        """The first 12 hex digits of the SHA-256 of shapes and bytes; different data have different fingerprints."""
        # Earlier versions left out the first and last words of a running text in evaluation, so their runs used other data.
        read = f"{self.axes}, every word" if self.axes == "W" else self.axes
        digest = hashlib.sha256(f"{tuple(self.x.shape)}{read}{self.n_classes}".encode())
        for part in (self.x, self.y, torch.empty(0) if self.test is None else self.test):
            digest.update(part.contiguous().numpy().data)
        for name, value in self._beside():
            digest.update(f"{name}{tuple(value.shape) if isinstance(value, Tensor) else value}".encode())
            if isinstance(value, Tensor):
                digest.update(value.contiguous().numpy().data)
        return digest.hexdigest()[:12]

    def _beside(self) -> Iterator[tuple[str, Tensor | int]]:
        """Yields the attributes that only some tables have."""
        for name in ("val", "train", "vocabulary", "window", "groups", "times", "weights"):
            if (value := getattr(self, name)) is not None:
                yield name, value
        if self.prepared is not None:  # the inputs are computed from more digits than x has
            yield "cells", torch.from_numpy(self.prepared.raw)
        if self.graph is not None:
            yield "features", self.graph.features
            yield "edges", self.graph.edges

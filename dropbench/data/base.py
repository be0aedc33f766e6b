"""What a data set returns: every example in one tensor, so that splits are indices and batches are gathers."""

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
    """What links the examples of a table whose examples are the nodes of one graph.

    features: [N, F] float32, a row a node, as the model is to see them: they are not normalised later.
    edges: [2, E] int64 node numbers. They are undirected: an edge may be given in one direction or in both, and repeatedly,
        and a loop from a node to itself says nothing. What is kept is each edge once, in order, so that the same graph is the
        same data however its edges were listed.
    """

    features: Tensor
    edges: Tensor

    def __post_init__(self) -> None:
        if self.edges.ndim == 2 and len(self.edges) == 2 and not self.edges.is_floating_point():
            low, high = self.edges.amin(0), self.edges.amax(0)
            once = torch.stack([low, high])[:, low != high].unique(dim=1)
            object.__setattr__(self, "edges", once)


_NEEDS = {"T": ("vocabulary",), "W": ("vocabulary", "window", "val"), "N": ("graph",)}
"""What a table must tell, by its axes."""


@dataclass(frozen=True)
class Table:
    """A data set in memory, each example with a class or a number to be told.

    x: [N, *shape], one of
        float32 on its raw scale (images in 0..1); normalising is the engine's, from training examples only;
        int64 word numbers, axes "T": a text of T words an example;
        int64 word numbers, axes "W", [N, 1]: one running text, an example a word, `y` the word after it;
        int64 node numbers 0..N-1, axes "N", [N, 1]: the nodes of `graph`.
    y: [N] int64 in 0..n_classes-1; of a task "regress" float32 in the target's own unit, and n_classes is 1.
    axes: a letter for each axis of one example: "CHW" for images, "F" for features, "TF" for sequences; see above.
    test: row numbers of the official test split, or None where there is none and one is drawn.
    val: row numbers of the official validation split, only beside `test`; None: validation is drawn.
    train: beside `val`, the rows that training may use; None: all that are neither `val` nor `test`.
    vocabulary: how many different word numbers there are, 0..vocabulary-1.
    window: the words of running text that a model reads at a time. Its training text comes first in x, and its
        validation and test rows are ranges without gaps.
    words: of words, what each number stands for; one that is called `<unk>` stands for all others. None: predictions for new
        sentences have to be asked for by number. Not part of the fingerprint: it names numbers and changes none.
    files: what the loader read all of it from, so that its fingerprint is hashed once for as long as they stay as they are;
        none: at each start.
    columns: what the features are called, for messages; read_numbers tells it.
    task: "classify" or "regress".
    classes: what the classes are called, by number; none: by their numbers.
    prepared: of a table whose columns become inputs by what is fitted to the training rows of each seed; x then holds them
        unfitted, and is not normalised.
    groups: [N] int64; rows with one number stay together in training, validation or test.
    times: [N] float64; test rows are the latest, then come validation rows, and training rows are the earliest.
    weights: [N] float32, how much each row counts in the training loss.
    notes: what a user should know of how it was read. Not part of the fingerprint.
    first_line: the line of the one file in `files`, counted from 1, where the first row stands, if each of the next lines has
        the next row; for messages.
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

    def __post_init__(self) -> None:
        if (self.val is not None and self.test is None) or (self.train is not None and self.val is None):
            raise UsageError(f"data '{self.name}': official training rows need validation rows, and those test rows")
        for needed in _NEEDS.get(self.axes, ()):
            if getattr(self, needed) is None:
                raise UsageError(f"data '{self.name}': axes {self.axes!r} need a {needed}")
        if self.groups is not None and self.times is not None:
            raise UsageError(f"data '{self.name}': rows are split by groups or by time, not by both")

    @property
    def shape(self) -> tuple[int, ...]:
        """Of one example."""
        return tuple(self.x.shape[1:])

    @property
    def strata(self) -> Tensor:
        """[N] int64: what each part of a split has in the proportion of the whole: the classes; nothing of numbers."""
        return self.y if self.task == "classify" else torch.zeros(len(self.y), dtype=torch.int64)

    @cached_property
    def fingerprint(self) -> str:
        """The first 12 hex digits of the SHA-256 of shapes and bytes: two records with different ones saw different data."""
        # Runs of before did not see the last words of a running text in evaluation, nor the first: they saw other data.
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
        """What only some tables have."""
        for name in ("val", "train", "vocabulary", "window", "groups", "times", "weights"):
            if (value := getattr(self, name)) is not None:
                yield name, value
        if self.prepared is not None:  # x has lost digits that the inputs are made of
            yield "cells", torch.from_numpy(self.prepared.raw)
        if self.graph is not None:
            yield "features", self.graph.features
            yield "edges", self.graph.edges

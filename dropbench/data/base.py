"""What a data set returns: every example in one tensor, so that splits are indices and batches are gathers."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor


@dataclass(frozen=True)
class Table:
    """A classification data set in memory.

    x: [N, *shape] float32 on its raw scale (images in 0..1); normalising is the engine's, from training examples only.
    y: [N] int64 in 0..n_classes-1.
    axes: a letter for each axis of one example: "CHW" for images, "F" for features, "TF" for sequences.
    test: row numbers of the official test split, or None where there is none and one is drawn.
    """

    name: str
    x: Tensor
    y: Tensor
    axes: str
    n_classes: int
    test: Tensor | None = None
    source: str = ""

    @property
    def shape(self) -> tuple[int, ...]:
        return tuple(self.x.shape[1:])

    @cached_property
    def fingerprint(self) -> str:
        """The first 12 hex digits of the SHA-256 of shapes and bytes: two records with different ones saw different data."""
        digest = hashlib.sha256(f"{tuple(self.x.shape)}{self.axes}{self.n_classes}".encode())
        for part in (self.x, self.y, torch.empty(0) if self.test is None else self.test):
            digest.update(part.contiguous().numpy().data)
        return digest.hexdigest()[:12]

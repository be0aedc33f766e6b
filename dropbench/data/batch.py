"""The batch of a stack at a step: examples and targets of each replica."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor


@dataclass(frozen=True)
class Mixed:
    """The targets of the examples that were mixed into those of a batch.

    The loss is share · l(y) + (1 - share) · l(mixed.y). y [K, B] and weight ([K, B] or None) are like those of the batch;
    share, [K, 1] or [K, B] in [0, 1], is the share of the batch's own examples.
    """

    y: Tensor
    share: Tensor
    weight: Tensor | None = None
    order: Tensor | None = None
    """If activations are mixed inside the model: the places of the other examples, [K, B] int64."""
    at: tuple[str, ...] = ()
    """The site at which each replica's activations are mixed."""
    sites: tuple[str, ...] = ()
    """All sites from which `at` is drawn."""


@dataclass(frozen=True)
class Batch:
    """x [K, B, *shape] normalised, y [K, B]; or int64 numbers to look up: see data/views.py and engine/text_batches.py.

    y holds classes, or numbers in the target's unit.
    """

    x: Tensor
    y: Tensor
    counted: Tensor | None = None
    """For running text: which words of y count in evaluation, [B, T] bool; None: all."""
    centre: Tensor | None = None
    spread: Tensor | None = None
    """For regression, `centre` and `spread` are mean and standard deviation of each replica's training targets, [K, 1]. The
    network predicts (y - centre) / spread."""
    weight: Tensor | None = None
    """The weight of each example in the training loss, [K, B]; None: equal weights."""
    clean: Tensor | None = None
    """x before a regularizer changed it, the target of a reconstruction; None: x."""
    shift: Tensor | None = None
    scale: Tensor | None = None
    """The normalisation of raw examples r: x = r · scale + shift, [K, 1, *shape] each; None: not normalised."""
    mixed: Mixed | None = None
    """The targets of other examples that were mixed into these."""

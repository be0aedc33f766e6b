"""What a stack is handed at a step: examples of each replica, and what is to be said of them."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor


@dataclass(frozen=True)
class Mixed:
    """What is to be said of the examples that were mixed into those of a batch.

    The loss is share l(y) + (1 - share) l(mixed.y). y [K, B] and weight [K, B] or None are as those of the batch; share,
    [K, 1] or [K, B] in [0, 1], is that of the batch's own.
    """

    y: Tensor
    share: Tensor
    weight: Tensor | None = None
    order: Tensor | None = None
    """Where activations are to be mixed inside the model: with those of the examples at these places, [K, B] int64."""
    at: tuple[str, ...] = ()
    """Of each replica the site at which its activations are mixed."""
    sites: tuple[str, ...] = ()
    """All sites that `at` is drawn from."""


@dataclass(frozen=True)
class Batch:
    """x [K, B, *shape] normalised, y [K, B]; or int64 numbers to look up: see data/views.py and engine/text_batches.py.

    y are classes, or numbers in their own unit.
    """

    x: Tensor
    y: Tensor
    counted: Tensor | None = None
    """Of running text, which words of y are to be counted in evaluation, [B, T] bool; None: all."""
    centre: Tensor | None = None
    spread: Tensor | None = None
    """Of targets that are numbers, mean and standard deviation over each replica's training examples, [K, 1]: the network
    predicts (y - centre) / spread."""
    weight: Tensor | None = None
    """How much each example counts in the training loss, [K, B]; None: all the same."""
    clean: Tensor | None = None
    """x before a regularizer changed it, which a reconstruction is set against; None: x."""
    shift: Tensor | None = None
    scale: Tensor | None = None
    """How raw examples r were normalised: x was r · scale + shift, [K, 1, *shape] each; None: not at all."""
    mixed: Mixed | None = None
    """The targets of other examples that were mixed into these."""

"""What a stack is handed at a step: examples of each replica, and what is to be said of them."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor


@dataclass(frozen=True)
class Batch:
    """x [K, B, *shape] normalised, y [K, B]; or int64 numbers to look up: see data/views.py and engine/text_batches.py."""

    x: Tensor
    y: Tensor
    counted: Tensor | None = None
    """Of running text, which words of y are to be counted in evaluation, [B, T] bool; None: all."""
    weight: Tensor | None = None
    """How much each example counts in the training loss, [K, B]; None: all the same."""

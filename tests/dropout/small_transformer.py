"""A small transformer over small images."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from noise_kit import started

from dropbench.models.transformer import Transformer


def transformer(seeds: Sequence[int] = (0,), **options: Any) -> Transformer:
    """A replica a seed, on images of shape (2, 8, 6) with 3 classes."""
    small: dict[str, Any] = {"width": 6, "heads": 2, "feedforward": 5}
    return started(Transformer(len(seeds), (2, 8, 6), 3, **small | options), seeds)

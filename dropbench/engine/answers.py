"""Whether a trained classifier tells anything apart: what it answers on the test split, as shares of the classes."""

from __future__ import annotations

import torch
from torch import Tensor

from dropbench.engine.result import ANSWERED, MAJORITY


class Answers:
    """Called with logits and classes of one chunk after the other, while the test metrics are taken."""

    def __init__(self) -> None:
        self._pieces: list[tuple[Tensor, Tensor]] = []

    def __call__(self, logits: Tensor, classes: Tensor) -> None:
        """Logits [K, B, C] and classes [K, B]."""
        self._pieces.append((logits.argmax(-1).cpu(), classes.cpu()))

    def shares(self) -> list[dict[str, float]]:
        """For each replica the share of examples of the most frequent class, and of those given the most frequent answer."""
        answers, classes = (torch.cat(side, 1) for side in zip(*self._pieces, strict=True))
        return [
            {MAJORITY: _largest_share(y), ANSWERED: _largest_share(said)}
            for said, y in zip(answers, classes, strict=True)
        ]


def _largest_share(labels: Tensor) -> float:
    return int(torch.bincount(labels).max()) / len(labels)

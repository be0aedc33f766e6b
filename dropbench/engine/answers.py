"""How often a trained classifier gives its most frequent answer on the test split: nearly always, if it has collapsed."""

from __future__ import annotations

import torch
from torch import Tensor

from dropbench.engine.result import ANSWERED, MAJORITY


class Answers:
    """Collects answers and classes of the test split; called with each chunk while the test metrics are computed."""

    def __init__(self) -> None:
        self._pieces: list[tuple[Tensor, Tensor]] = []

    def __call__(self, logits: Tensor, classes: Tensor) -> None:
        """Takes the logits [K, B, C] and classes [K, B] of a chunk."""
        self._pieces.append((logits.argmax(-1).cpu(), classes.cpu()))

    def shares(self) -> list[dict[str, float]]:
        """Returns, for each replica, the shares of examples with the most frequent class and with the most frequent answer."""
        answers, classes = (torch.cat(side, 1) for side in zip(*self._pieces, strict=True))
        return [
            {MAJORITY: _largest_share(y), ANSWERED: _largest_share(said)}
            for said, y in zip(answers, classes, strict=True)
        ]


def _largest_share(labels: Tensor) -> float:
    return int(torch.bincount(labels).max()) / len(labels)

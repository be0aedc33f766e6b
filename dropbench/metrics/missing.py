"""Accuracy with features missing completely at random."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

import torch
from annotated_types import Ge, Le, MinLen
from torch import Tensor

from dropbench.metrics.fgsm import share
from dropbench.metrics.probe import Network

Percent = Annotated[int, Ge(1), Le(100)]


@torch.no_grad()
def missing(
    network: Network, part: str, *, percent: Annotated[Sequence[Percent], MinLen(1)] = (10, 25, 50)
) -> dict[str, Tensor]:
    """`missing_<percent>_accuracy`: accuracy, 0..1, with so many percent of all features unknown, [K] each.

    Each feature of each example is missing by a draw of its own, whatever its value (completely at random: Rubin 1976), and has
    its mean over the training data put in its place, which is 0 once normalised. Arms of one seed miss the same features, and
    what is missing at a lower percentage is at a higher one too. {} where examples are no numbers.
    """
    draw = network.uniforms(f"missing/{part}")
    right: dict[int, list[Tensor]] = {p: [] for p in percent}
    for x, y in network.examples(part):
        if not x.is_floating_point():
            return {}
        chance = draw(tuple(x.shape[1:]))
        for p, found in right.items():
            found.append(network.logits(x * (chance >= p / 100)).argmax(-1) == y)
    return {f"missing_{p:02}_accuracy": share(found) for p, found in right.items()}

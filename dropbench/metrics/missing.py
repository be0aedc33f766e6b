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
    """Computes the accuracy with some features of each example missing completely at random.

    Each feature of each example has its own draw, independent of its value. A missing feature is replaced by its mean over
    the training data, which is 0 after normalising. The arms of a seed miss the same features, and features missing at a
    lower percentage are also missing at a higher one.

    Parameters
    ----------
    percent : sequence of int
        Shares of features that are missing, in percent.

    Returns
    -------
    dict
        `missing_<percent>_accuracy` [K], 0..1, for each; empty if examples are not numbers.

    References
    ----------
    Rubin 1976, "Inference and missing data", for the term.
    """
    draw = network.uniforms(f"missing/{part}")
    right: dict[int, list[Tensor]] = {p: [] for p in percent}
    for x, y in network.examples(part):
        if not x.is_floating_point():
            return {}
        chance = draw(tuple(x.shape[1:]))
        for p, pieces in right.items():
            pieces.append(network.logits(x * (chance >= p / 100)).argmax(-1) == y)
    return {f"missing_{p:02}_accuracy": share(pieces) for p, pieces in right.items()}

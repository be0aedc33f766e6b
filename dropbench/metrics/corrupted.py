"""Accuracy with normal noise on the inputs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

import torch
from annotated_types import Gt, MinLen
from torch import Tensor

from dropbench.metrics.fgsm import share
from dropbench.metrics.probe import Network

Percent = Annotated[int, Gt(0)]


@torch.no_grad()
def corrupted(
    network: Network, part: str, *, percent: Annotated[Sequence[Percent], MinLen(1)] = (25, 50, 100)
) -> dict[str, Tensor]:
    """Computes the accuracy with normal noise added to every feature of every example.

    The arms of a seed get the same noise, and larger noise is the same draw times a larger number.

    Parameters
    ----------
    percent : sequence of int
        Standard deviations of the noise, in percent of that of the normalised input.

    Returns
    -------
    dict
        `corrupted_<percent>_accuracy` [K], 0..1, for each; empty if examples are not numbers.

    References
    ----------
    Hendrycks & Dietterich 2019 (arXiv:1903.12261): this is their Gaussian noise, with strengths of your choice.
    """
    draw = network.normals(f"corrupted/{part}")
    right: dict[int, list[Tensor]] = {p: [] for p in percent}
    for x, y in network.examples(part):
        if not x.is_floating_point():
            return {}
        noise = draw(tuple(x.shape[1:]))
        for p, pieces in right.items():
            pieces.append(network.logits(x + p / 100 * noise).argmax(-1) == y)
    return {f"corrupted_{p:02}_accuracy": share(pieces) for p, pieces in right.items()}

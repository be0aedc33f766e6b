"""Accuracy with features missing because of their values."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

import torch
from annotated_types import MinLen
from torch import Tensor

from dropbench.metrics.fgsm import share
from dropbench.metrics.missing import Percent
from dropbench.metrics.probe import Network


@torch.no_grad()
def missing_by_value(
    network: Network, part: str, *, percent: Annotated[Sequence[Percent], MinLen(1)] = (10, 25, 50)
) -> dict[str, Tensor]:
    """Computes the accuracy with the largest features of each example missing, as from a sensor that fails at high values.

    Features are compared in standard deviations from their mean over the training data, and a missing one is replaced by
    that mean. So the fact that a feature is missing carries information about its value ("missing not at random"); `missing`
    removes the same number of features at random. Among equal values, such as an image's background, chance decides.
    Features missing at a lower percentage are also missing at a higher one.

    Parameters
    ----------
    percent : sequence of int
        Shares of features that are missing, in percent.

    Returns
    -------
    dict
        `missing_by_value_<percent>_accuracy` [K], 0..1, for each; empty if examples are not numbers.

    References
    ----------
    Rubin 1976, "Inference and missing data"; Little and Rubin, "Statistical analysis with missing data".
    """
    draw = network.uniforms(f"missing_by_value/{part}")
    right: dict[int, list[Tensor]] = {p: [] for p in percent}
    for x, y in network.examples(part):
        if not x.is_floating_point():
            return {}
        rank = ranks(x.flatten(2), draw(tuple(x.flatten(2).shape[1:]))).view_as(x)
        features = x[0, 0].numel()
        for p, pieces in right.items():
            kept = rank >= round(p * features / 100)
            pieces.append(network.logits(x * kept).argmax(-1) == y)
    return {f"missing_by_value_{p:02}_accuracy": share(pieces) for p, pieces in right.items()}


def ranks(x: Tensor, lot: Tensor) -> Tensor:
    """Returns the rank of each number of x [..., n] in its row, 0 for the largest; ties are broken by `lot` [..., n]."""
    order = lot.argsort(-1)
    by_value = x.gather(-1, order).sort(dim=-1, descending=True, stable=True).indices
    return order.gather(-1, by_value).argsort(-1)

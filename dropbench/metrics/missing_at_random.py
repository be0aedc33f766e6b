"""Accuracy with features missing because of the values of other features."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

import torch
from annotated_types import Ge, Le, MinLen
from torch import Tensor

from dropbench.metrics.fgsm import share
from dropbench.metrics.missing_by_value import ranks
from dropbench.metrics.probe import Network

Percent = Annotated[int, Ge(1), Le(50)]


@torch.no_grad()
def missing_at_random(
    network: Network, part: str, *, percent: Annotated[Sequence[Percent], MinLen(1)] = (10, 25, 50)
) -> dict[str, Tensor]:
    """Computes the accuracy with a feature missing where another feature, which is always known, is large.

    Features are paired at random, in the same way for all arms and examples of a seed. The first of a pair is always known;
    the second is missing in the examples in which the first is largest. So whether a feature is missing carries information,
    but only what the known features carry as well ("missing at random"). `missing` removes the same number of features
    completely at random, `missing_by_value` by their own values. A missing feature is replaced by its mean over the training
    data, 0. Features missing at a lower percentage are also missing at a higher one.

    Parameters
    ----------
    percent : sequence of int
        Shares of all features that are missing, in percent; at 50 the second of every pair is.

    Returns
    -------
    dict
        `missing_at_random_<percent>_accuracy` [K], 0..1, for each; empty if examples are not numbers or have a single feature.

    References
    ----------
    Rubin 1976, "Inference and missing data", Biometrika 63.
    """
    pairing = network.uniforms("missing_at_random/pairs")
    ties = network.uniforms(f"missing_at_random/{part}")
    pairs: tuple[Tensor, Tensor] | None = None
    right: dict[int, list[Tensor]] = {p: [] for p in percent}
    for x, y in network.examples(part):
        if not x.is_floating_point() or x[0, 0].numel() < 2:
            return {}
        flat = x.flatten(2)
        if pairs is None:
            order = pairing((flat.shape[2],)).argsort(-1)
            half = flat.shape[2] // 2
            pairs = order[:, :half], order[:, half : 2 * half]
        known, unknown = (side[:, None].expand(-1, flat.shape[1], -1) for side in pairs)
        rank = ranks(flat.gather(2, known), ties((flat.shape[1], known.shape[2])))
        for p, pieces in right.items():
            there = (rank >= round(p * flat.shape[2] / 100)).to(flat.dtype)
            kept = torch.ones_like(flat).scatter(2, unknown, there)
            pieces.append(network.logits((flat * kept).view_as(x)).argmax(-1) == y)
    return {f"missing_at_random_{p:02}_accuracy": share(pieces) for p, pieces in right.items()}

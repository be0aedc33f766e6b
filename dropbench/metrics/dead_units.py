"""Units that never respond."""

from __future__ import annotations

import torch
from torch import Tensor

from dropbench.metrics.probe import Network


@torch.no_grad()
def dead_units(network: Network, part: str) -> dict[str, Tensor]:
    """Computes the share of hidden units whose output is the same for every example; for a ReLU that output is 0.

    A unit is a feature, or a channel of a map at all its positions.

    Returns
    -------
    dict
        `dead_units` [K], 0..1, over the units of all layers together; empty without a hidden layer.
    """
    low: dict[str, Tensor] = {}
    high: dict[str, Tensor] = {}
    for x, _ in network.examples(part):
        for site, h in network.activations(x).items():
            low[site] = torch.minimum(low[site], h.amin(1)) if site in low else h.amin(1)
            high[site] = torch.maximum(high[site], h.amax(1)) if site in high else h.amax(1)
    if not low:
        return {}
    dead = torch.cat([low[site] == high[site] for site in low], 1).cpu()
    return {"dead_units": dead.sum(1).double() / dead.shape[1]}

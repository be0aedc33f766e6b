"""How strongly a network depends on single hidden units."""

from __future__ import annotations

from functools import partial
from typing import Annotated

import torch
from annotated_types import Ge
from torch import Tensor

from dropbench.metrics.probe import Network, first
from dropbench.metrics.sharpness import Count, mean_loss


@torch.no_grad()
def ablation(
    network: Network, part: str, *, units: Count = 256, examples: Count = 256, above: Annotated[float, Ge(0)] = 0.01
) -> dict[str, Tensor]:
    """Sets one hidden unit at a time to zero and measures how much the loss rises.

    A unit is a feature at all steps, or a channel at all positions. The network is not trained again without the unit, so
    the loss rises without a unit whose mean is far from zero, whatever else the unit does.

    Parameters
    ----------
    units : int
        The largest number of units to try, since each takes a forward pass. They are evenly spaced over the units of all
        hidden layers. Units within a layer are exchangeable.
    examples : int
        The number of examples used of each split, the first ones.
    above : float
        The rise in nats above which a unit counts in `ablation_share`.

    Returns
    -------
    dict
        [K] each, or empty without a hidden layer. `ablation_mean`, `ablation_p10`, `ablation_p50`, `ablation_p90` and
        `ablation_max`: mean, quantiles and maximum of the rises, in nats. `ablation_gini`: their Gini coefficient, with
        falls counted as 0. It is 0 if all units matter equally, near 1 if only a few matter, and NaN if none does.
        `ablation_share`: the share of units whose rise is more than `above`, 0..1.

    References
    ----------
    After Morcos et al. 2018 (arXiv:1803.06959), who measure accuracy.
    """
    pieces = list(first(network, part, examples))
    layers = network.activations(pieces[0][0])
    every = [(site, unit) for site, h in layers.items() for unit in range(h.shape[-1])]
    if not every:
        return {}
    n = min(units, len(every))
    before = mean_loss(network.logits, pieces)
    rises = []
    for site, unit in (every[i * len(every) // n] for i in range(n)):
        rises.append(mean_loss(partial(network.without, site=site, unit=unit), pieces) - before)
    rows = torch.stack(rises, 1).unbind(0)
    quantiles = torch.tensor([0.1, 0.5, 0.9], dtype=torch.float64)
    p10, p50, p90 = torch.stack([row.quantile(quantiles) for row in rows], 1)
    return {
        "ablation_mean": torch.stack([row.mean() for row in rows]),
        "ablation_p10": p10,
        "ablation_p50": p50,
        "ablation_p90": p90,
        "ablation_max": torch.stack([row.max() for row in rows]),
        "ablation_gini": torch.stack([gini(row.clamp_min(0)) for row in rows]),
        "ablation_share": torch.stack([(row > above).double().mean() for row in rows]),
    }


def gini(x: Tensor) -> Tensor:
    """Returns the Gini coefficient over the last axis of non-negative x [..., n]; NaN where all numbers are zero.

    It is half the mean absolute difference of two of the numbers, divided by their mean: 0 if all are equal, 1 - 1/n if all
    but one are zero.
    """
    n = x.shape[-1]
    weight = 2 * torch.arange(1, n + 1, dtype=x.dtype) - n - 1
    return (x.sort(-1).values * weight).sum(-1) / (n * x.sum(-1))

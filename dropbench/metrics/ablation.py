"""How much a network depends on single hidden units."""

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
    """The rise of the loss, in nats, when one hidden unit is put to zero, over units one by one, [K] each.

    `ablation_mean`, `ablation_p10`, `_p50`, `_p90` and `_max` of the rises; `ablation_gini`, the Gini coefficient of those
    above zero, the others counting as zero: 0 where all units matter alike, near 1 where a few do (NaN where none does);
    `ablation_share`, the share of units whose rise is more than `above` nats.

    After Morcos et al. 2018 (arXiv:1803.06959), who put units to zero one after the other, and measure accuracy. A unit is
    a feature at all steps, or a channel at all positions. No other layer is adapted, so a unit whose mean is far from zero
    matters by that alone.

    The cost is a forward pass a unit: it is taken over the first `examples` of each part, and `units` evenly spaced among
    those of all hidden layers, which are exchangeable within a layer; all where there are no more. {} without a hidden layer.
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
    """The Gini coefficient of numbers x [..., n] that are not negative, over the last axis; NaN where all are zero.

    Half the mean absolute difference of two of them over their mean: 0 where all are equal, 1 - 1/n where one has all.
    """
    n = x.shape[-1]
    weight = 2 * torch.arange(1, n + 1, dtype=x.dtype) - n - 1
    return (x.sort(-1).values * weight).sum(-1) / (n * x.sum(-1))

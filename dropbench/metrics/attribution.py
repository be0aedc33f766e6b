"""Which inputs a network's prediction depends on: how many, and where they are."""

from __future__ import annotations

import torch
from torch import Tensor

from dropbench.metrics.ablation import gini
from dropbench.metrics.probe import Network

_CELLS = 1024
"""The largest size of a map, all classes together. It is limited because the map is stored in each run's record."""


def attribution(network: Network, part: str) -> dict[str, Tensor]:
    """Measures how the gradient of the true class's logit with respect to an example is spread over the example's features.

    A feature's share is the absolute value of its gradient, divided by the sum over features.

    Returns
    -------
    dict
        Means over the examples with a nonzero gradient; empty if examples are not numbers. `attribution_gini` [K]: the Gini
        coefficient over features, 0..1, high if few features matter. `attribution_share` [K]: exp(entropy) of the shares,
        divided by the number of features, 0..1: the fraction of features that, if they mattered equally, would have the same
        entropy. On test also `attribution_map` [K, classes · cells]: the mean shares of each class in cells of neighbouring
        features, which sum to 1 / classes for each class. The report correlates the maps of different seeds.

    References
    ----------
    Simonyan et al. 2014 (arXiv:1312.6034); Chalasani et al. 2020 (arXiv:1810.06583) for the Gini coefficient.
    """
    totals: list[_Totals] = []
    for x, y in network.examples(part):
        if not x.is_floating_point():
            return {}
        g, classes = _gradient(network, x, y)
        totals = totals or [_Totals(classes, g[0, 0].numel()) for _ in g]
        for total, one, labels in zip(totals, g.flatten(2).unbind(0), y.unbind(0), strict=True):
            total.add(one.cpu().double().abs(), labels.cpu())
    spread = {
        "attribution_gini": torch.stack([t.gini / t.n for t in totals]),
        "attribution_share": torch.stack([t.share / t.n for t in totals]),
    }
    return spread | ({"attribution_map": torch.stack([t.map() for t in totals])} if part == "test" else {})


def _gradient(network: Network, x: Tensor, y: Tensor) -> tuple[Tensor, int]:
    """Returns the gradient of each example's true logit with respect to the example, shaped as x, and the number of classes."""
    x = x.detach().clone().requires_grad_()
    logits = network.logits(x)
    (slope,) = torch.autograd.grad(logits.gather(-1, y[..., None]).sum(), x)
    return slope, logits.shape[-1]


class _Totals:
    """Sums over one replica's examples, in float64 on the CPU."""

    def __init__(self, classes: int, features: int) -> None:
        cells = max(1, min(features, _CELLS // classes))
        self._cell = torch.arange(features) * cells // features
        self._maps = torch.zeros(classes, cells, dtype=torch.float64)
        self.gini = self.share = torch.zeros((), dtype=torch.float64)
        self.n = torch.zeros((), dtype=torch.float64)

    def add(self, g: Tensor, y: Tensor) -> None:
        """Adds n examples: absolute gradients g [n, features] and classes y [n]."""
        some = g.sum(-1) > 0
        p, y = g[some] / g[some].sum(-1, keepdim=True), y[some]
        self.gini = self.gini + gini(p).sum()
        self.share = self.share + torch.special.entr(p).sum(-1).exp().sum() / p.shape[-1]
        self.n = self.n + len(p)
        cells = torch.zeros(len(p), self._maps.shape[1], dtype=torch.float64).index_add_(1, self._cell, p)
        self._maps.index_add_(0, y, cells)

    def map(self) -> Tensor:
        """Returns the map [classes · cells], with zeros for a class without examples."""
        whole = self._maps.sum(1, keepdim=True)
        return (self._maps / torch.where(whole > 0, whole, 1.0) / len(self._maps)).flatten()

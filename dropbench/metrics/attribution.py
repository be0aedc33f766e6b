"""Which inputs a network's answer hangs on: how spread out they are, and where, to be compared between runs."""

from __future__ import annotations

import torch
from torch import Tensor

from dropbench.metrics.ablation import gini
from dropbench.metrics.probe import Network

_CELLS = 1024
"""Numbers that a map may have, of all classes together: it goes into each run's record."""


def attribution(network: Network, part: str) -> dict[str, Tensor]:
    """Of the gradient of the true class's logit by each example (Simonyan et al. 2014, arXiv:1312.6034), in absolute value.

    `attribution_gini` [K]: the Gini coefficient over features, 0..1, as Chalasani et al. 2020 (arXiv:1810.06583) measure that
    explanations are sparse. `attribution_share` [K]: exp(entropy) of the gradient's shares, over the number of features: which
    part of them would have the same entropy if it shared alike. Means over examples; those without a gradient are left out.

    On test, `attribution_map` [K, classes · cells] beside them: the mean of the shares over the examples of each class, in
    cells of neighbouring features, 1 / classes in each class together, so 1 in all. The report correlates those of different
    seeds. {} where examples are no numbers.
    """
    totals: list[_Totals] = []
    for x, y in network.examples(part):
        if not x.is_floating_point():
            return {}
        g, classes = _gradient(network, x, y)
        totals = totals or [_Totals(classes, g[0, 0].numel()) for _ in g]
        for total, one, labels in zip(totals, g.flatten(2).unbind(0), y.unbind(0), strict=True):
            total.add(one.cpu().double().abs(), labels.cpu())
    found = {
        "attribution_gini": torch.stack([t.gini / t.n for t in totals]),
        "attribution_share": torch.stack([t.share / t.n for t in totals]),
    }
    return found | ({"attribution_map": torch.stack([t.map() for t in totals])} if part == "test" else {})


def _gradient(network: Network, x: Tensor, y: Tensor) -> tuple[Tensor, int]:
    """Of each example's true logit, by the example: as x; and how many classes there are."""
    x = x.detach().clone().requires_grad_()
    logits = network.logits(x)
    (found,) = torch.autograd.grad(logits.gather(-1, y[..., None]).sum(), x)
    return found, logits.shape[-1]


class _Totals:
    """Sums over one replica's examples, in float64 on the CPU."""

    def __init__(self, classes: int, features: int) -> None:
        cells = max(1, min(features, _CELLS // classes))
        self._cell = torch.arange(features) * cells // features
        self._maps = torch.zeros(classes, cells, dtype=torch.float64)
        self.gini = self.share = torch.zeros((), dtype=torch.float64)
        self.n = torch.zeros((), dtype=torch.float64)

    def add(self, g: Tensor, y: Tensor) -> None:
        """g [n, features], not negative."""
        some = g.sum(-1) > 0
        p, y = g[some] / g[some].sum(-1, keepdim=True), y[some]
        self.gini = self.gini + gini(p).sum()
        self.share = self.share + torch.special.entr(p).sum(-1).exp().sum() / p.shape[-1]
        self.n = self.n + len(p)
        cells = torch.zeros(len(p), self._maps.shape[1], dtype=torch.float64).index_add_(1, self._cell, p)
        self._maps.index_add_(0, y, cells)

    def map(self) -> Tensor:
        """Zeros for a class without examples."""
        whole = self._maps.sum(1, keepdim=True)
        return (self._maps / torch.where(whole > 0, whole, 1.0) / len(self._maps)).flatten()

"""How far hidden units go together."""

from __future__ import annotations

import torch
from torch import Tensor

from dropbench.metrics.probe import Network


@torch.no_grad()
def coadaptation(network: Network, part: str) -> dict[str, Tensor]:
    """`coadaptation` [K]: the mean absolute correlation of two hidden units of a layer, 0..1, averaged over layers.

    Hinton et al. 2012 (arXiv:1207.0580) mean by co-adaptation that a unit is of use only beside certain others; correlation is
    what shows of it without taking units away, as in Cogswell et al. 2016 (arXiv:1511.06068), who penalise covariance. Units
    that never vary have none and are left out; NaN where no layer has two others. A channel of a map is one unit, and its
    positions are examples. Lower is what dropout is said to bring about, and no merit in itself. Without a hidden layer {}.
    """
    moments: dict[str, list[_Moments]] = {}
    for x, _ in network.examples(part):
        for site, h in network.activations(x).items():
            each = moments.setdefault(site, [_Moments(one[0]) for one in h.unbind(0)])
            for one, own in zip(h.unbind(0), each, strict=True):
                own.add(one)
    if not moments:
        return {}
    layers = torch.stack([torch.stack([own.correlation() for own in each]) for each in moments.values()], 1)
    return {"coadaptation": torch.stack([row[~row.isnan()].mean() for row in layers.unbind(0)])}


class _Moments:
    """Sums of one replica's units over pieces, in float64 on the CPU.

    Counted from the first example, so that a unit that never varies gives exact zeros.
    """

    def __init__(self, origin: Tensor) -> None:
        self._origin = origin.cpu().double()
        self._n = 0
        self._sum = torch.zeros_like(self._origin)
        self._products = torch.zeros(len(origin), len(origin), dtype=torch.float64)

    def add(self, h: Tensor) -> None:
        """h [n, units]."""
        d = h.cpu().double() - self._origin
        self._n += len(d)
        self._sum += d.sum(0)
        self._products += d.T @ d

    def correlation(self) -> Tensor:
        """The mean absolute one of pairs of units that vary; NaN without a pair."""
        mean = self._sum / self._n
        covariance = self._products / self._n - mean[:, None] * mean
        varies = covariance.diagonal() > 0
        covariance = covariance[varies][:, varies]
        sd = covariance.diagonal().sqrt()
        m = len(sd)
        correlation = (covariance / (sd[:, None] * sd)).abs().clamp_max(1)
        return (correlation.sum() - correlation.diagonal().sum()) / (m * (m - 1))

"""How strongly hidden units are correlated."""

from __future__ import annotations

import torch
from torch import Tensor

from dropbench.metrics.probe import Network


@torch.no_grad()
def coadaptation(network: Network, part: str) -> dict[str, Tensor]:
    """Computes the mean absolute correlation of two hidden units of a layer.

    Co-adaptation means that a unit is useful only together with certain others. Correlation is the part of it that can be
    measured without removing units. A channel of a map counts as one unit, with its positions as examples. Dropout is said
    to lower the correlation; a low value is not good in itself.

    Returns
    -------
    dict
        `coadaptation` [K], 0..1, averaged over layers; empty without a hidden layer. Units that never vary are left out; NaN
        if no layer has two units that vary.

    References
    ----------
    Hinton et al. 2012 (arXiv:1207.0580) for the term; Cogswell et al. 2016 (arXiv:1511.06068), who penalise covariance.
    """
    moments: dict[str, list[_Moments]] = {}
    for x, _ in network.examples(part):
        for site, h in network.activations(x).items():
            each = moments.setdefault(site, [_Moments(one[0]) for one in h.unbind(0)])
            for one, sums in zip(h.unbind(0), each, strict=True):
                sums.add(one)
    if not moments:
        return {}
    layers = torch.stack([torch.stack([sums.correlation() for sums in each]) for each in moments.values()], 1)
    return {"coadaptation": torch.stack([row[~row.isnan()].mean() for row in layers.unbind(0)])}


class _Moments:
    """Sums over the examples of one replica, in float64 on the CPU.

    The activations of the first example are subtracted, so that a unit that never varies has a variance of exactly zero.
    """

    def __init__(self, origin: Tensor) -> None:
        self._origin = origin.cpu().double()
        self._n = 0
        self._sum = torch.zeros_like(self._origin)
        self._products = torch.zeros(len(origin), len(origin), dtype=torch.float64)

    def add(self, h: Tensor) -> None:
        """Adds the activations h [n, units] of n examples."""
        d = h.cpu().double() - self._origin
        self._n += len(d)
        self._sum += d.sum(0)
        self._products += d.T @ d

    def correlation(self) -> Tensor:
        """Returns the mean absolute correlation over pairs of units that vary; NaN if there is no pair."""
        mean = self._sum / self._n
        covariance = self._products / self._n - mean[:, None] * mean
        varies = covariance.diagonal() > 0
        covariance = covariance[varies][:, varies]
        sd = covariance.diagonal().sqrt()
        m = len(sd)
        correlation = (covariance / (sd[:, None] * sd)).abs().clamp_max(1)
        return (correlation.sum() - correlation.diagonal().sum()) / (m * (m - 1))

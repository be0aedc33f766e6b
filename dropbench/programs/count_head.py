"""A network that reconstructs gene counts: input dropout with a Poisson loss, compared with a negative binomial head."""

from __future__ import annotations

import math

import torch
from torch import Generator, Tensor

from dropbench.programs.counts import negative_binomial
from dropbench.programs.dense import Weights, dropped, passed, start, trained

FITTED, HELD, GENES, FACTORS, HIDDEN, STEPS, RATE, SHAPE = 300, 300, 60, 3, 32, 1000, 0.2, 0.5
"""FITTED and HELD are the cells for training and test; SHAPE is that of the gamma noise of the negative binomial counts."""


def error(seed: int) -> float:
    """Returns log(error with a negative binomial head / error with input dropout) in the log expression of genes.

    Below 0 the head is better. The true expression is known, because the counts are synthetic. Errors are on test cells.
    Eraslan et al. 2019 (Nature Communications 10:390) have a network with such a head.
    """
    counts, log_expressed = cells(seed)

    def off(weights: Weights) -> float:
        return (_told(weights, counts[FITTED:]) - log_expressed[FITTED:]).square().mean().sqrt().item()

    return math.log(off(fitted(seed, counts, head=True)[0]) / off(fitted(seed, counts, head=False)[0]))


def likelihood(seed: int) -> float:
    """Returns the head's test log-likelihood minus that of input dropout with a Poisson loss, in nats per count."""
    counts, _ = cells(seed)
    with_head, shape = fitted(seed, counts, head=True)
    without, _ = fitted(seed, counts, head=False)
    held = counts[FITTED:]
    of_head = negative_binomial(held, _told(with_head, held), shape)
    return (of_head + poisson_loss(held, _told(without, held))).mean().item()


def cells(seed: int) -> tuple[Tensor, Tensor]:
    """Returns counts [600, 60] of cells by genes, and the logs of their means, which depend on three factors per cell."""
    draw = Generator().manual_seed(seed)
    of_cells = torch.randn(FITTED + HELD, FACTORS, generator=draw)
    loadings, level = torch.randn(FACTORS, GENES, generator=draw), torch.randn(GENES, generator=draw)
    log_mean = 0.4 * of_cells @ loadings + level
    expressed = torch._standard_gamma(torch.full(log_mean.shape, SHAPE), generator=draw) / SHAPE * log_mean.exp()
    return torch.poisson(expressed, generator=draw), log_mean


def fitted(seed: int, counts: Tensor, *, head: bool) -> tuple[Weights, Tensor]:
    """Fits a network 60-32-3-32-60 to log(1 + count); also returns the log shape of each gene, which only the head uses."""
    weights, masks = start(seed, GENES, HIDDEN, FACTORS, HIDDEN, GENES), Generator().manual_seed(seed + 2 * 10**6)
    shape = torch.zeros(GENES, requires_grad=True)

    def loss(rows: Tensor) -> Tensor:
        target = counts[rows]
        if head:
            return -negative_binomial(target, passed(weights, target.log1p()), shape).mean()
        return poisson_loss(target, passed(weights, dropped(target.log1p(), RATE, masks))).mean()

    trained([*weights, shape] if head else weights, loss, FITTED, STEPS, seed)
    return weights, shape.detach()


def poisson_loss(counts: Tensor, log_mean: Tensor) -> Tensor:
    """Returns -log of the probability of each count, in nats."""
    return log_mean.exp() - counts * log_mean + torch.lgamma(counts + 1)


def _told(weights: Weights, counts: Tensor) -> Tensor:
    """Returns the predicted log of each gene's mean."""
    return passed(weights, counts.log1p())

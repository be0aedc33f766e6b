"""Counts as single cells give them, in which a gene that is little expressed is missed more often, and models of them."""

from __future__ import annotations

import torch
from torch import Generator, Tensor
from torch.nn.functional import softplus

CELLS, GENES, STEPS = 400, 200, 300
SHAPE, HALF, STEEPNESS = 2.0, 0.5, 1.5
"""Of the counts: shape of the gamma distribution of a gene's expression over cells; log of the mean at which half of what is
expressed is missed, and how fast that share falls with it."""
Model = str


def zeros_of_mask(seed: int) -> float:
    """How much further from the zeros of genes a constant mask is than a chance to be missed that falls with expression.

    The mean over genes of |share of zeros that the model expects - share in the held-out half of the cells|, the one less the
    other.
    """
    (fit, held), _ = cells(seed)
    return zeros_off("mask", fit, held) - zeros_off("logistic", fit, held)


def likelihood_of_mask(seed: int) -> float:
    """By how many nats a count the held-out likelihood of a constant mask lies above such a chance's: below 0 is worse."""
    (fit, held), _ = cells(seed)
    return log_likelihood("mask", fit, held) - log_likelihood("logistic", fit, held)


def mask_beside_negative_binomial(seed: int) -> float:
    """The same above that of negative binomial counts, of which none is missed."""
    (fit, held), _ = cells(seed)
    return log_likelihood("mask", fit, held) - log_likelihood("negative binomial", fit, held)


def mask_adds(seed: int) -> float:
    """What a constant mask adds to negative binomial counts, in nats a count."""
    (fit, held), _ = cells(seed)
    return log_likelihood("negative binomial and mask", fit, held) - log_likelihood("negative binomial", fit, held)


def cells(seed: int) -> tuple[tuple[Tensor, Tensor], Tensor]:
    """Counts of two halves of the cells, [200, 200] each, and the mean expression of each gene [200].

    Expression is gamma about a gene's mean, which is log-normal over genes; counts are Poisson; then what is expressed is
    missed with a chance that falls with the mean (Kharchenko, Silberstein & Scadden 2014, Nature Methods 11:740).
    """
    draw = Generator().manual_seed(seed)
    mean = (torch.randn(GENES, generator=draw) * 1.2 + 1.0).exp()
    expressed = torch._standard_gamma(torch.full((CELLS, GENES), SHAPE), generator=draw) / SHAPE * mean
    counts = torch.poisson(expressed, generator=draw)
    missed = torch.rand(counts.shape, generator=draw) < torch.sigmoid(-STEEPNESS * (mean.log() - HALF))
    first, second = counts.masked_fill(missed, 0.0).chunk(2)
    return (first, second), mean


def zeros_off(model: Model, fit: Tensor, held: Tensor) -> float:
    """The mean distance of expected and observed shares of zeros, over genes."""
    expected = log_probability(model, fitted(model, fit), torch.zeros(1, GENES)).exp()[0]
    return (expected - (held == 0).float().mean(0)).abs().mean().item()


def log_likelihood(model: Model, fit: Tensor, held: Tensor) -> float:
    """Nats a count of cells that were not fitted."""
    return log_probability(model, fitted(model, fit), held).mean().item()


def fitted(model: Model, counts: Tensor) -> list[Tensor]:
    """Its parameters by maximum likelihood: a mean for each gene, and what the genes share.

    Numbers that all genes share: the log-odds of being missed, how fast these fall with the log of the mean ("logistic"), and
    the log of the shape of negative binomial counts. "mask" and "logistic" are of Poisson counts.
    """
    mean = (counts.mean(0) + 0.1).log()
    shared = torch.zeros(3)
    parameters = [mean.requires_grad_(), shared.requires_grad_()]
    optimizer = torch.optim.Adam(parameters, lr=0.05)
    for _ in range(STEPS):
        optimizer.zero_grad()
        (-log_probability(model, parameters, counts).mean()).backward()
        optimizer.step()
    return [p.detach() for p in parameters]


def log_probability(model: Model, parameters: list[Tensor], counts: Tensor) -> Tensor:
    """Of each count [n, genes], nats."""
    log_mean, shared = parameters
    if model.startswith("negative binomial"):
        expressed = negative_binomial(counts, log_mean, shared[2])
    else:
        expressed = counts * log_mean - log_mean.exp() - torch.lgamma(counts + 1)
    if model == "negative binomial":
        return expressed
    odds = shared[0] - softplus(shared[1]) * log_mean if model == "logistic" else shared[0] + 0 * log_mean
    seen = expressed - softplus(odds)  # times the chance not to be missed
    return torch.where(counts == 0, torch.logaddexp(seen, -softplus(-odds)), seen)


def negative_binomial(counts: Tensor, log_mean: Tensor, log_shape: Tensor) -> Tensor:
    """The log-probability of counts by their mean and shape, whose variance is mean + mean^2 / shape."""
    shape = log_shape.exp()
    total = torch.logaddexp(log_mean, log_shape)
    return (
        torch.lgamma(counts + shape)
        - torch.lgamma(shape)
        - torch.lgamma(counts + 1)
        + shape * (log_shape - total)
        + counts * (log_mean - total)
    )

"""Synthetic single-cell counts, which are more often missed (set to 0) for weakly expressed genes, and models of them."""

from __future__ import annotations

import torch
from torch import Generator, Tensor
from torch.nn.functional import softplus

CELLS, GENES, STEPS = 400, 200, 300
SHAPE, HALF, STEEPNESS = 2.0, 0.5, 1.5
"""SHAPE of the gamma distribution of a gene's expression over cells; HALF, the log of the mean at which half of the
expressed counts are missed; STEEPNESS, how fast that share falls with the log of the mean."""
Model = str


def zeros_of_mask(seed: int) -> float:
    """Returns the error in genes' zeros with a constant mask minus that with a miss probability that falls with expression.

    The error is the mean over genes of |expected share of zeros - share of zeros in the held-out half of the cells|.
    """
    (fit, held), _ = cells(seed)
    return zeros_off("mask", fit, held) - zeros_off("logistic", fit, held)


def likelihood_of_mask(seed: int) -> float:
    """Returns the held-out log-likelihood with a constant mask minus that with such a probability, in nats per count."""
    (fit, held), _ = cells(seed)
    return log_likelihood("mask", fit, held) - log_likelihood("logistic", fit, held)


def mask_beside_negative_binomial(seed: int) -> float:
    """Returns the held-out log-likelihood of masked Poisson counts minus that of negative binomial ones, in nats per count."""
    (fit, held), _ = cells(seed)
    return log_likelihood("mask", fit, held) - log_likelihood("negative binomial", fit, held)


def mask_adds(seed: int) -> float:
    """Returns how much a constant mask adds to the log-likelihood of negative binomial counts, in nats per count."""
    (fit, held), _ = cells(seed)
    return log_likelihood("negative binomial and mask", fit, held) - log_likelihood("negative binomial", fit, held)


def cells(seed: int) -> tuple[tuple[Tensor, Tensor], Tensor]:
    """Returns counts of two halves of the cells, [200, 200] each, and the mean expression of each gene [200].

    Expression is gamma distributed about a gene's mean, which is log-normal over genes; counts are Poisson. Then counts are
    missed with a probability that falls with the mean (Kharchenko, Silberstein & Scadden 2014, Nature Methods 11:740).
    """
    draw = Generator().manual_seed(seed)
    mean = (torch.randn(GENES, generator=draw) * 1.2 + 1.0).exp()
    expressed = torch._standard_gamma(torch.full((CELLS, GENES), SHAPE), generator=draw) / SHAPE * mean
    counts = torch.poisson(expressed, generator=draw)
    missed = torch.rand(counts.shape, generator=draw) < torch.sigmoid(-STEEPNESS * (mean.log() - HALF))
    first, second = counts.masked_fill(missed, 0.0).chunk(2)
    return (first, second), mean


def zeros_off(model: Model, fit: Tensor, held: Tensor) -> float:
    """Returns the mean over genes of |expected - observed share of zeros|."""
    expected = log_probability(model, fitted(model, fit), torch.zeros(1, GENES)).exp()[0]
    return (expected - (held == 0).float().mean(0)).abs().mean().item()


def log_likelihood(model: Model, fit: Tensor, held: Tensor) -> float:
    """Returns the log-likelihood of held-out cells, in nats per count."""
    return log_probability(model, fitted(model, fit), held).mean().item()


def fitted(model: Model, counts: Tensor) -> list[Tensor]:
    """Fits a model's parameters by maximum likelihood: a mean for each gene, and parameters that all genes share.

    The shared parameters are the log-odds of being missed, how fast they fall with the log of the mean ("logistic"), and the
    log of the shape of negative binomial counts. "mask" and "logistic" have Poisson counts.
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
    """Returns the log-probability of each count [n, genes], in nats."""
    log_mean, shared = parameters
    if model.startswith("negative binomial"):
        expressed = negative_binomial(counts, log_mean, shared[2])
    else:
        expressed = counts * log_mean - log_mean.exp() - torch.lgamma(counts + 1)
    if model == "negative binomial":
        return expressed
    odds = shared[0] - softplus(shared[1]) * log_mean if model == "logistic" else shared[0] + 0 * log_mean
    seen = expressed - softplus(odds)  # times the probability of not being missed
    return torch.where(counts == 0, torch.logaddexp(seen, -softplus(-odds)), seen)


def negative_binomial(counts: Tensor, log_mean: Tensor, log_shape: Tensor) -> Tensor:
    """Returns the log-probability of counts with this mean and shape, whose variance is mean + mean^2 / shape."""
    shape = log_shape.exp()
    total = torch.logaddexp(log_mean, log_shape)
    return (
        torch.lgamma(counts + shape)
        - torch.lgamma(shape)
        - torch.lgamma(counts + 1)
        + shape * (log_shape - total)
        + counts * (log_mean - total)
    )

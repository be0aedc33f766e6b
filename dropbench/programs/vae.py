"""Measures the effect of dropout on a variational autoencoder of digits."""

from __future__ import annotations

import torch
from torch import Generator, Tensor
from torch.nn.functional import binary_cross_entropy_with_logits

from dropbench.programs.dense import Weights, passed, start, trained
from dropbench.programs.network import split

N_TRAIN, HIDDEN, LATENT, STEPS, RATE, SAMPLES = 1200, 128, 8, 1500, 0.3, 20


def worse(seed: int) -> float:
    """Returns how many nats per digit dropout in all hidden layers adds to the negative ELBO of test digits, noise off.

    Kingma & Welling 2014 (arXiv:1312.6114), with pixels as probabilities of 0 and 1; averaged over 20 draws of the latent.
    """
    _, (x, _) = split(seed)
    return bound(*fitted(seed, RATE), x) - bound(*fitted(seed, 0.0), x)


def fitted(seed: int, rate: float) -> tuple[Weights, Weights]:
    """Fits encoder 64-128-16 and decoder 8-128-64 to 1,200 digits."""
    (x, _), _ = split(seed)
    encoder, decoder = start(seed, 64, HIDDEN, 2 * LATENT), start(seed + 5 * 10**6, LATENT, HIDDEN, 64)
    masks, latent = Generator().manual_seed(seed + 2 * 10**6), Generator().manual_seed(seed + 3 * 10**6)
    weights = [*encoder, *decoder]
    trained(weights, lambda rows: _loss(encoder, decoder, x[rows], latent, rate, masks), N_TRAIN, STEPS, seed)
    return encoder, decoder


def bound(encoder: Weights, decoder: Weights, x: Tensor) -> float:
    """Returns the negative evidence lower bound of digits without dropout, in nats per digit; lower is better."""
    latent = Generator().manual_seed(0)
    with torch.no_grad():
        return sum(_loss(encoder, decoder, x, latent).item() for _ in range(SAMPLES)) / SAMPLES


def _loss(
    encoder: Weights, decoder: Weights, x: Tensor, latent: Generator, rate: float = 0.0, masks: Generator | None = None
) -> Tensor:
    mean, log_var = passed(encoder, x, rate, masks).chunk(2, 1)
    z = mean + (log_var / 2).exp() * torch.randn(mean.shape, generator=latent)
    unlike = binary_cross_entropy_with_logits(passed(decoder, z, rate, masks), x, reduction="none").sum(1)
    return (unlike + divergence(mean, log_var)).mean()


def divergence(mean: Tensor, log_var: Tensor) -> Tensor:
    """Returns the KL divergence of a diagonal normal distribution from the standard normal, in nats [n]."""
    return (log_var.exp() + mean**2 - 1 - log_var).sum(1) / 2

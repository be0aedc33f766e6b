"""Checks whether the network without noise is the mean of the thinned networks."""

from __future__ import annotations

from collections.abc import Iterator

import torch

from dropbench.checks.masks import every_mask, normal
from dropbench.store import Case


def weight_scaling() -> Iterator[Case]:
    """Yields the largest distance of the scaled network's probabilities from a mean over all 2^n thinned networks.

    For one softmax layer they equal the normalised geometric mean (Baldi & Sadowski 2013, section 3; Goodfellow et al. 2016,
    section 7.12). They do not equal the arithmetic mean, and with a hidden layer they do not equal the geometric mean
    either.
    """
    masks, p = every_mask(0.5, 6)
    x, w = normal(0, 6), normal(1, 6, 3)
    log_p = torch.log_softmax((masks * x) @ w, -1)
    scaled = torch.softmax(x @ w, -1)
    yield _far("one softmax layer, geometric mean", torch.softmax(p @ log_p, 0), scaled)
    yield _far("one softmax layer, arithmetic mean", p @ log_p.exp(), scaled)
    first, second = normal(2, 6, 4), normal(3, 4, 3)
    behind = torch.log_softmax(((masks * x) @ first).relu() @ second, -1)
    deep = torch.softmax((x @ first).relu() @ second, -1)
    yield _far("behind a hidden layer of ReLU, geometric mean", torch.softmax(p @ behind, 0), deep)


def _far(name: str, mean: torch.Tensor, scaled: torch.Tensor) -> Case:
    return Case(case=name, measured=float((mean - scaled).abs().max()), formula=0.0, within=1e-9)

"""Sharpness of the minimum: how much the training loss rises near the trained weights."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Annotated

import torch
import torch.nn.functional as F
from annotated_types import Ge, Gt
from torch import Tensor

from dropbench.metrics.probe import Network, first

Positive = Annotated[float, Gt(0)]
Count = Annotated[int, Ge(1)]
Pieces = Sequence[tuple[Tensor, Tensor]]


def sharpness(
    network: Network,
    part: str,
    *,
    radius: Positive = 0.05,
    adaptive_radius: Positive = 0.5,
    noise: Positive = 0.1,
    draws: Count = 20,
    examples: Count = 1000,
) -> dict[str, Tensor]:
    """Computes how much the training loss L rises for small changes of the weights w.

    Batch norm uses its running statistics. All three numbers shrink with the loss itself, so the arm that fits its training
    data less closely is often sharper for that reason alone. It is also not settled that sharpness is related to
    generalisation: Andriushchenko et al. find that it is not, beyond small networks.

    Parameters
    ----------
    radius : float
        ρ of `sharpness`, the length of the step in weight space.
    adaptive_radius : float
        ρ of `adaptive_sharpness`.
    noise : float
        σ of `average_sharpness`.
    draws : int
        Draws of `average_sharpness`; the arms of a seed share them.
    examples : int
        The number of training examples used, the first ones.

    Returns
    -------
    dict
        [K] each, in nats; empty for splits other than train. `sharpness`: L(w + ρ g / |g|) - L(w) with the gradient g, to
        first order the largest rise within a ball of radius ρ. It changes if weights are rescaled without changing the
        function (Dinh et al. 2017, arXiv:1703.04933); the other two do not. `adaptive_sharpness`: L(w + ρ w² g / |w g|) -
        L(w), the same with steps in proportion to each weight. `average_sharpness`: the mean of L(w (1 + σ z)) - L(w) over
        normal z.

    References
    ----------
    Foret et al. 2021 (arXiv:2010.01412), equation 2; Kwon et al. 2021 (arXiv:2102.11600), equation 6, with |w| for every
    parameter; Andriushchenko et al. 2023 (arXiv:2302.07011), average-case adaptive sharpness.
    """
    if part != "train":
        return {}
    pieces = list(first(network, part, examples))
    slopes = gradient(network, pieces)
    weights, g = [w for w, _ in slopes], [one for _, one in slopes]
    before = mean_loss(network.logits, pieces)

    def rise(steps: Iterable[Tensor]) -> Tensor:
        with moved(weights, steps), torch.no_grad():
            return mean_loss(network.logits, pieces) - before

    def ascent(towards: Sequence[Tensor], length: float) -> list[Tensor]:
        """Returns a step of this length in the direction of `towards`, or no step if that is zero."""
        norm = squared(towards).sqrt()
        factor = torch.where(norm > 0, length / norm, 0.0)
        return [t * factor.to(t).view(-1, *(1,) * (t.ndim - 1)) for t in towards]

    scaled = [w.detach().abs() * one for w, one in slopes]
    adaptive = [w.detach().abs() * s for w, s in zip(weights, ascent(scaled, adaptive_radius), strict=True)]
    normal = network.normals(f"sharpness/{part}")
    shaken = [rise(noise * w.detach() * normal(tuple(w.shape[1:])) for w in weights) for _ in range(draws)]
    return {
        "sharpness": rise(ascent(g, radius)),
        "adaptive_sharpness": rise(adaptive),
        "average_sharpness": torch.stack([row.mean() for row in torch.stack(shaken, 1).unbind(0)]),
    }


@torch.no_grad()
def mean_loss(logits: Callable[[Tensor], Tensor], pieces: Pieces) -> Tensor:
    """Returns the mean cross-entropy over pieces (x, y) of examples, in nats: [K] float64 on the CPU."""
    total = torch.zeros(len(pieces[0][1]), dtype=torch.float64)
    for x, y in pieces:
        pairs = zip(logits(x).cpu().double().unbind(0), y.cpu().unbind(0), strict=True)
        total += torch.stack([F.cross_entropy(*pair, reduction="sum") for pair in pairs])
    return total / sum(y.shape[1] for _, y in pieces)


def gradient(network: Network, pieces: Pieces) -> list[tuple[Tensor, Tensor]]:
    """Returns the weights that the loss depends on, each with the gradient of the mean loss over pieces, both [K, ...]."""
    n = sum(y.shape[1] for _, y in pieces)
    weights = list(network.parameters)
    sums: list[Tensor | None] = [None] * len(weights)
    for x, y in pieces:
        loss = F.cross_entropy(network.logits(x).flatten(0, 1), y.flatten(), reduction="sum")
        for i, g in enumerate(torch.autograd.grad(loss / n, weights, allow_unused=True)):
            if g is not None:
                before = sums[i]
                sums[i] = g if before is None else before + g
    return [(w, g) for w, g in zip(weights, sums, strict=True) if g is not None]


@contextmanager
def moved(weights: Sequence[Tensor], steps: Iterable[Tensor]) -> Iterator[None]:
    """Context manager that moves the weights by `steps` and restores them exactly at its end."""
    kept = [w.detach().clone() for w in weights]
    try:
        with torch.no_grad():
            for w, step in zip(weights, steps, strict=True):
                w.add_(step)
        yield
    finally:
        with torch.no_grad():
            for w, before in zip(weights, kept, strict=True):
                w.copy_(before)


def squared(tensors: Sequence[Tensor]) -> Tensor:
    """Returns the squared norm of each replica over all tensors [K, ...]: [K] float64 on the CPU."""
    rows = zip(*(t.detach().unbind(0) for t in tensors), strict=True)
    return torch.stack([torch.stack([t.reshape(-1).cpu().double().square().sum() for t in row]).sum() for row in rows])

"""The norm of the gradient, and its variance over masks."""

from __future__ import annotations

from typing import Annotated

import torch
import torch.nn.functional as F
from annotated_types import Ge
from torch import Tensor

from dropbench.metrics.probe import Network

_EXAMPLES = 128


def mask_gradients(network: Network, part: str, *, passes: Annotated[int, Ge(2)] = 30) -> dict[str, Tensor]:
    """Computes norm and variance of the gradient of the loss on the first 128 examples, over draws of the noise.

    Parameters
    ----------
    passes : int
        Number of draws of the noise.


    Returns
    -------
    dict
        [K] each, over all weights together. `gradient_norm`: the norm of the mean gradient. `gradient_variance`: the mean
        squared distance of one draw's gradient from the mean (unbiased; the trace of the covariance). It is the noise that
        dropout adds to training, and 0 without dropout.
    """
    x, y = next((x[:, :_EXAMPLES], y[:, :_EXAMPLES]) for x, y in network.examples(part))
    noisy = network.noisy(f"mask_gradients/{part}")
    first = gradients(network, noisy(x), y)
    # Relative to the first draw, so that equal gradients give exactly 0.
    total = torch.zeros_like(first)
    squares = torch.zeros(len(first), dtype=torch.float64)
    for _ in range(passes - 1):
        d = gradients(network, noisy(x), y) - first
        total += d
        squares += _squared(d)
    variance = (squares - _squared(total) / passes) / (passes - 1)
    return {"gradient_norm": _squared(first + total / passes).sqrt(), "gradient_variance": variance}


def gradients(network: Network, logits: Tensor, y: Tensor) -> Tensor:
    """Returns the gradient of each replica's mean cross-entropy for all its weights, [K, weights] float64 on the CPU.

    `logits` [K, B, C], `y` [K, B].
    """
    each = F.cross_entropy(logits.flatten(0, 1), y.flatten(), reduction="none").view_as(y)
    used = torch.autograd.grad(each.mean(1).sum(), list(network.parameters), allow_unused=True)
    return torch.cat([g.reshape(len(g), -1).cpu().double() for g in used if g is not None], 1)


def _squared(rows: Tensor) -> Tensor:
    """Returns the squared norm of each row, [K], computed one row at a time so that it does not depend on K."""
    return torch.stack([row.square().sum() for row in rows.unbind(0)])

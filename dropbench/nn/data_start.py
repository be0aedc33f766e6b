"""Initial weights of a dense layer that are fitted to its inputs."""

from __future__ import annotations

import torch
from torch import Tensor

from dropbench.nn.activation import one_by_one
from dropbench.nn.init import Draw
from dropbench.nn.linear import Linear
from dropbench.nn.product import product

_CORNERS = 5
_log1p = one_by_one(torch.log1p)


@torch.no_grad()
def start(layer: Linear, x: Tensor, draw: Draw) -> Tensor:
    """Draws weights and bias so that each unit has variance 1 over x [K, n, I]; returns the outputs [K, n, O].

    Weights are normal, divided by the standard deviation of the outputs that they give for x. The bias makes a unit zero at
    an average of its outputs for five examples, with random shares that are uniform over the simplex.

    References
    ----------
    Holzmüller, Grinsztajn, Steinwart 2024 (arXiv:2407.04491); in the authors' package pytabkit it is weight_init_mode="std"
    and bias_init_mode="he+5".
    """
    inputs, units = layer.weight.shape[1:]
    weight = draw.normal((inputs, units))
    out = product(x, weight)
    # One replica at a time: the order of a sum must not depend on the stack.
    spread = torch.stack([one.std(0, correction=0) for one in out])[:, None]
    factor = torch.where(spread > 0, 1 / spread, inputs**-0.5)
    layer.weight.copy_(weight * factor)
    out = out * factor
    rows = (draw.uniform((_CORNERS, units)) * x.shape[1]).long().clamp_(max=x.shape[1] - 1)
    shares = -_log1p(
        -draw.uniform((_CORNERS, units))
    )  # exponential draws; divided by their sum they are uniform over the simplex
    zero = (_added(out.gather(1, rows) * shares) / _added(shares))[:, None]
    layer.bias.copy_(-zero)
    return out - zero


def _added(x: Tensor) -> Tensor:
    """Returns the sum over axis 1, added up in order."""
    first, *others = x.unbind(1)
    return sum(others, first)

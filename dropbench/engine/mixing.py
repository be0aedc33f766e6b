"""Mixtures of the activations of a stack, where a regularizer asks for them."""

from __future__ import annotations

import torch
from torch import Tensor

from dropbench.data.batch import Mixed
from dropbench.engine.subset import graded


def mixed_at(mixed: Mixed, site: str, x: Tensor) -> Tensor:
    """What comes to a site, x [K, B, ...], mixed in those replicas that are mixed there; the others keep their bits.

    Replicas mix at different sites in one update. So this is done at each site where any might, whoever is in the stack: in
    which order gradients are added up, and lie in memory, must not depend on that.
    """
    assert mixed.order is not None
    if site not in mixed.sites:
        return x
    x = graded(x.view_as(x))
    own = torch.where(torch.tensor([at == site for at in mixed.at], device=x.device), mixed.share[:, 0], 1.0)
    own = own.to(x.dtype).view(-1, *(1,) * (x.ndim - 1))
    rows = torch.arange(len(x), device=x.device)[:, None]
    others = torch.empty_like(x).copy_(x[rows, mixed.order])  # in the memory order of x
    return own * x + (1 - own) * others

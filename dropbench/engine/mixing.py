"""Mixes the activations of examples at a site, for regularizers such as manifold mixup."""

from __future__ import annotations

import torch
from torch import Tensor

from dropbench.data.batch import Mixed
from dropbench.engine.subset import graded


def mixed_at(mixed: Mixed, site: str, x: Tensor) -> Tensor:
    """Returns a site's input x [K, B, ...], mixed in the replicas that mix at this site; the others keep their bits.

    Replicas may mix at different sites in one update. So the operation runs at every site at which any replica could mix,
    whoever is in the stack, because the summation order and the memory layout of gradients must not depend on the stack.
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

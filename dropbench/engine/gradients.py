"""Regularizers that act on gradients and weights, replica by replica."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from dropbench.engine.incoming import declared


@torch.no_grad()
def gradient_norm(parameters: Sequence[Tensor]) -> Tensor:
    """The Euclidean norm of each replica's whole gradient, [K]."""
    grads = [p.grad for p in parameters if p.grad is not None]
    # By rows: a reduction over a whole stack would add in an order that depends on K.
    norms = [torch.linalg.vector_norm(g.reshape(len(g), -1), dim=1) for g in grads]
    squares = torch.stack(norms).square_().unbind(0)
    return sum(squares[1:], squares[0]).sqrt()


@torch.no_grad()
def clip(parameters: Sequence[Tensor], norms: Tensor, limit: float) -> None:
    """Scales each replica's gradient down to `limit`, as `torch.nn.utils.clip_grad_norm_` does one model's."""
    scale = (limit / (norms + 1e-6)).clamp_(max=1)
    for p in parameters:
        if p.grad is not None:
            p.grad.mul_(scale.view(-1, *(1,) * (p.ndim - 1)))


@torch.no_grad()
def max_norm(model: nn.Module, limit: float) -> None:
    """Scales each unit's incoming weights down to a norm of `limit` (Srebro & Shraibman 2005; Srivastava et al. 2014)."""
    for _, whole, (axes, groups) in declared(model):
        weight = whole if groups is None else whole.unflatten(1, (groups, -1))
        norms = torch.linalg.vector_norm(weight, dim=axes, keepdim=True)
        weight.mul_(limit / norms.clamp_min(limit))

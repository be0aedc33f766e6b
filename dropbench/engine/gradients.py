"""Gradient clipping and max-norm, applied to each replica separately."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor, nn

from dropbench.engine.incoming import declared


@torch.no_grad()
def gradient_norm(parameters: Sequence[Tensor]) -> Tensor:
    """Returns the Euclidean norm of each replica's whole gradient, [K]."""
    grads = [p.grad for p in parameters if p.grad is not None]
    # By rows: a reduction over a whole stack would add in an order that depends on K.
    norms = [torch.linalg.vector_norm(g.reshape(len(g), -1), dim=1) for g in grads]
    squares = torch.stack(norms).square_().unbind(0)
    return sum(squares[1:], squares[0]).sqrt()


@torch.no_grad()
def clip(parameters: Sequence[Tensor], norms: Tensor, limit: float) -> None:
    """Scales each replica's gradient down to `limit`, as `torch.nn.utils.clip_grad_norm_` does for one model."""
    scale = (limit / (norms + 1e-6)).clamp_(max=1)
    if _all_one(scale):
        return
    for p in parameters:
        if p.grad is not None:
            p.grad.mul_(scale.view(-1, *(1,) * (p.ndim - 1)))


@torch.no_grad()
def max_norm(model: nn.Module, limit: float) -> None:
    """Scales each unit's incoming weights down to a norm of `limit` (Srebro & Shraibman 2005; Srivastava et al. 2014)."""
    for _, whole, (axes, groups) in declared(model):
        weight = whole if groups is None else whole.unflatten(1, (groups, -1))
        scale = limit / lengths(weight, axes).clamp_min(limit)
        if not _all_one(scale):
            weight.mul_(scale)


@torch.no_grad()
def lengths(weight: Tensor, axes: tuple[int, ...]) -> Tensor:
    """Returns the Euclidean norms of a stacked parameter [K, ...] over these axes, which stay with length 1.

    For a dense layer's weights [K, I, O] reduced over I, torch adds the squares one by one. NumPy adds whole rows in the same
    order, which gives the same bits (`tests/engine/test_gradients.py`) in a fifteenth of the time. With a single column both
    would add many numbers at once, in different orders, so torch is used there.
    """
    plain = weight.device.type == "cpu" and weight.dtype == torch.float32 and weight.is_contiguous()
    if not (plain and weight.ndim == 3 and axes == (1,) and weight.shape[2] > 1):
        norms: Tensor = torch.linalg.vector_norm(weight, dim=axes, keepdim=True)
        return norms
    numbers = weight.detach().numpy()
    with np.errstate(all="ignore"):  # a replica that diverges is detected by its loss
        return torch.from_numpy(np.sqrt(np.einsum("kio,kio->ko", numbers, numbers)[:, None]))


def _all_one(scale: Tensor) -> bool:
    """Returns whether scaling can be skipped; always False on an accelerator, where asking would mean waiting for it."""
    return scale.device.type == "cpu" and bool((scale == 1).all())

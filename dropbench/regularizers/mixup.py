"""Mixup (Zhang et al. 2018)."""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated, ClassVar

import numpy as np
import torch
from annotated_types import Ge
from scipy.special import betaincinv
from torch import Tensor
from typing_extensions import override

from dropbench.data.batch import Batch, Mixed
from dropbench.regularizers.base import Draws, Given, Regularizer, Slot, per_replica


class Mixup(Regularizer):
    """λx + (1 - λ)x' in place of x, and the same of the losses, with λ ~ Beta(α, α) once a batch and x' of the same batch.

    Zhang, Cissé, Dauphin & Lopez-Paz 2018, "mixup: Beyond Empirical Risk Minimization", arXiv:1710.09412, equation 1; λ is one
    number a batch, as in the authors' code.
    """

    slot: ClassVar[Slot] = "mixing"

    def __init__(self, *, alpha: Annotated[float, Ge(0)] = 0.2) -> None:
        """alpha: of the Beta distribution; 0.1 to 0.4 in the paper for images, 0 is no mixing."""

    @override
    def supports(self, given: Given) -> str | None:
        if not given.numbers:
            return "mixes inputs that are numbers, and these are words or nodes to look up"
        return no_targets(given)

    @override
    def examples(self, batch: Batch, strength: Tensor, draws: Draws, given: Given) -> Batch:
        share = beta(strength, draws.uniform((1,)))
        return mixed(batch, share, draws.permutation(batch.y.shape[1]))


def no_targets(given: Given) -> str | None:
    """Why targets cannot be mixed, as the end of a sentence, or None."""
    return None if given.task in ("classify", "regress") else "mixes targets, and this model has none beside its input"


def beta(alpha: Tensor, u: Tensor) -> Tensor:
    """λ ~ Beta(α, α) from u uniform in [0, 1): [K, n]. It is 1 where α is 0.

    Of λ and 1 - λ the greater is taken, which is no other mixture: x and x' are exchangeable.
    """
    drawn = quantile(alpha, u)
    greater = torch.where(alpha[:, None] > 0, torch.maximum(drawn, 1 - drawn), 1.0)
    return greater.to(u)


def quantile(alpha: Tensor, u: Tensor) -> Tensor:
    """The inverse of the distribution function of Beta(α, α), or of Beta(1, 1) where α is 0: float64 [K, n], of u [K, n].

    It takes one draw, whatever α is, so that arms of a seed are paired.
    """
    a = alpha.double().cpu().numpy()[:, None]
    a = np.where(a > 0, a, 1)
    return torch.from_numpy(betaincinv(a, a, u.double().cpu().numpy())).to(u.device)


def mixed(batch: Batch, share: Tensor, order: Tensor) -> Batch:
    """Each example with that at its place in `order` [K, B] mixed in: share [K, 1] of its own."""
    return replace(batch, x=mixture(batch.x, share, order), mixed=targets(batch, share, order))


def mixture(x: Tensor, share: Tensor, order: Tensor) -> Tensor:
    """Examples x [K, B, ...], of each share [K, 1] its own and the rest that at its place in `order` [K, B]."""
    own = per_replica(share.flatten(), x)
    rows = torch.arange(len(order), device=order.device)[:, None]
    return own * x + (1 - own) * x[rows, order]


def targets(batch: Batch, share: Tensor, order: Tensor) -> Mixed:
    """What is to be said of the examples at the places `order` [K, B], which are mixed into those of the batch."""
    rows = torch.arange(len(order), device=order.device)[:, None]
    weight = None if batch.weight is None else batch.weight[rows, order]
    return Mixed(batch.y[rows, order], share, weight)

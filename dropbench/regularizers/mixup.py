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
    """Replaces x by λx + (1 - λ)x' and mixes the losses in the same way; λ ~ Beta(α, α), and x' is of the same batch.

    Zhang, Cissé, Dauphin & Lopez-Paz 2018, "mixup: Beyond Empirical Risk Minimization", arXiv:1710.09412, equation 1. λ is
    drawn once per batch, as in the authors' code.
    """

    slot: ClassVar[Slot] = "mixing"

    def __init__(self, *, alpha: Annotated[float, Ge(0)] = 0.2) -> None:
        """alpha: α, in the paper 0.1 to 0.4 for images; 0 is no mixing."""

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
    """Returns why targets cannot be mixed, as the end of a sentence, or None if they can."""
    return (
        None
        if given.task in ("classify", "regress")
        else "mixes targets, and this model's targets come from its inputs"
    )


def beta(alpha: Tensor, u: Tensor) -> Tensor:
    """Returns λ ~ Beta(α, α) from u uniform in [0, 1): [K, n]. It is 1 where α is 0.

    It is the larger one of λ and 1 - λ. The mixtures have the same distribution, since x and x' are exchangeable.
    """
    drawn = quantile(alpha, u)
    greater = torch.where(alpha[:, None] > 0, torch.maximum(drawn, 1 - drawn), 1.0)
    return greater.to(u)


def quantile(alpha: Tensor, u: Tensor) -> Tensor:
    """Returns the quantile of Beta(α, α) at u [K, n], or of Beta(1, 1) where α is 0: float64 [K, n].

    It needs one draw for every α, so that the arms of a seed are paired.
    """
    a = alpha.double().cpu().numpy()[:, None]
    a = np.where(a > 0, a, 1)
    return torch.from_numpy(betaincinv(a, a, u.double().cpu().numpy())).to(u.device)


def mixed(batch: Batch, share: Tensor, order: Tensor) -> Batch:
    """Mixes each example with the one at its place in `order` [K, B]; it keeps the share [K, 1] of its own."""
    return replace(batch, x=mixture(batch.x, share, order), mixed=targets(batch, share, order))


def mixture(x: Tensor, share: Tensor, order: Tensor) -> Tensor:
    """Returns share [K, 1] of each example x [K, B, ...] plus the rest of the example at its place in `order` [K, B]."""
    own = per_replica(share.flatten(), x)
    rows = torch.arange(len(order), device=order.device)[:, None]
    return own * x + (1 - own) * x[rows, order]


def targets(batch: Batch, share: Tensor, order: Tensor) -> Mixed:
    """Returns the targets of the examples at the places `order` [K, B], which are mixed into those of the batch."""
    rows = torch.arange(len(order), device=order.device)[:, None]
    weight = None if batch.weight is None else batch.weight[rows, order]
    return Mixed(batch.y[rows, order], share, weight)

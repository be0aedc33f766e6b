"""Standout: the rate depends on the input."""

from __future__ import annotations

import torch
from torch import Tensor
from typing_extensions import override

from dropbench.dropout.base import LEVELS, AtWeights, Then, kept_levels, one_where_kept
from dropbench.nn.activation import one_by_one
from dropbench.nn.product import affine

_exp = one_by_one(torch.exp)


class Standout(AtWeights):
    """Keeps each unit, unscaled, with a probability that grows with the unit's own input.

    Ba & Frey 2013 (NIPS, "Adaptive dropout for training deep neural networks"). In the paper a second network with a sigmoid
    decides which units are kept. Its weights turn out close to a multiple of the first network's, so the authors tie the
    two, and so does this class: a unit with input h = x·w + b is kept with probability sigmoid(`slope` · h + β). `rate` is
    the probability of dropping a unit at h = 0, so β = log((1 - rate) / rate). Slope 0 is `classic`; a negative slope drops
    the active units.

    No gradient flows through the probability. Evaluation multiplies the unit by it, which is the expectation over masks
    (their section 2). Unlike in `standard` this factor is not constant: in evaluation the activation is f(h) · sigmoid(slope
    · h + β).

    The mean rate of a layer is not `rate`, since after training most units are far from h = 0.
    """

    def __init__(self, *, slope: float = 1.0) -> None:
        self.slope = slope

    def mask(self, noise: Tensor, rate: Tensor, dtype: torch.dtype) -> Tensor:
        """Returns the draw unchanged, since its threshold depends on the input."""
        return noise

    @override
    def act_affine(self, x: Tensor, weight: Tensor, bias: Tensor, mask: Tensor, rate: Tensor, then: Then) -> Tensor:
        h = affine(x, weight, bias)
        out = then(h)
        kept = self._kept(h, rate)
        return out * one_where_kept(mask.expand(kept.shape), kept, out.dtype)

    @override
    def evaluate_affine(self, x: Tensor, weight: Tensor, bias: Tensor, rate: Tensor, then: Then) -> Tensor:
        h = affine(x, weight, bias)
        out = then(h)
        return out * (self._kept(h, rate) / LEVELS).to(out.dtype)

    def _kept(self, h: Tensor, rate: Tensor) -> Tensor:
        """Returns how many of a draw's values keep a unit with input h [K, B, O], as `kept_levels` does."""
        # sigmoid(slope h + β) with the odds written out, so that rate 0 and slope 0 are exact. The clamp changes nothing: at
        # odds below e^-60 no unit is kept anyway. It avoids infinity times a rate of 0, which is NaN.
        drop = rate * _exp((-self.slope * h.detach().float()).clamp(max=60))
        return kept_levels(drop / ((1 - rate) + drop))

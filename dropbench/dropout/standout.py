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
    """A unit is kept with a probability that grows with its own input, and is neither scaled when it is.

    Ba & Frey 2013 (NIPS, "Adaptive dropout for training deep neural networks"). A second network with a sigmoid decides what
    is kept. As they find its weights to become a multiple of the first one's, they tie the two, and so does this: the unit
    with input h = x·w + b is kept with probability sigmoid(`slope` · h + β). `rate` is that of dropping a unit at h = 0, so
    β = log((1 - rate) / rate). At slope 0 it is `classic`; a negative slope drops the active units.

    No gradient flows through the probability. Evaluation multiplies by it, the expectation over masks (their section 2), which
    unlike that of `standard` is not a constant: the network that is evaluated has another activation, f(h) · sigmoid(.).

    The mean rate of a layer is not `rate`: after training most units are far from h = 0.
    """

    def __init__(self, *, slope: float = 1.0) -> None:
        self.slope = slope

    def mask(self, noise: Tensor, rate: Tensor, dtype: torch.dtype) -> Tensor:
        """The draw as it is: what it is compared with depends on the input."""
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
        """How many of the values of a draw keep a unit of input h [K, B, O], as in `kept_levels`."""
        # sigmoid(slope h + β) with the odds of keeping written out, so that rate 0 and slope 0 come out exactly; below
        # e^-60 nothing is kept as it is, and infinity times a rate of 0 would be no number.
        drop = rate * _exp((-self.slope * h.detach().float()).clamp(max=60))
        return kept_levels(drop / ((1 - rate) + drop))

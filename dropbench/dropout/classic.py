"""Classic dropout: the original, scaled at evaluation."""

from __future__ import annotations

from typing import ClassVar

from torch import Tensor
from typing_extensions import override

from dropbench.dropout.base import LEVELS, Variant, kept_levels


class Classic(Variant):
    """Drops each element independently and scales nothing in training; evaluation multiplies by 1 - rate.

    Hinton et al. 2012 (arXiv:1207.0580); Srivastava et al. 2014 (JMLR 15, section 4 and figure 2), who multiply the weights
    that lead out of a unit by the probability of keeping it. Multiplying the unit's activation instead gives the same
    product, (keep · x) · w = x · (keep · w), and works without knowing which layers read the site.

    It spans the same family of networks as `standard`, in which the outgoing weights are smaller by the factor 1 - rate.
    From the same initial weights and with the same learning rate the two train differently, because the gradients at those
    weights are smaller here than in `standard`. torch, Keras and JAX have `standard` only.
    """

    scales: ClassVar[bool] = False

    @override
    def evaluate(self, x: Tensor, rate: Tensor) -> Tensor:
        return x * (kept_levels(rate) / LEVELS).to(x.dtype)

"""Classic dropout: the original, scaled at evaluation."""

from __future__ import annotations

from typing import ClassVar

from torch import Tensor
from typing_extensions import override

from dropbench.dropout.base import LEVELS, Variant, kept_levels


class Classic(Variant):
    """Each element is dropped by itself; what is kept stays as it is in training, and evaluation scales by 1 - rate.

    Hinton et al. 2012 (arXiv:1207.0580); Srivastava et al. 2014 (JMLR 15, section 4 and figure 2), who multiply the
    weights that lead out of a unit by the probability of keeping it. Multiplying the unit's activation instead is the same
    product, (keep · x) · w = x · (keep · w), and does not need to know who reads the site.

    The same family of networks as `standard`, whose outgoing weights are smaller by 1 - rate; but from the same initial
    weights and under the same learning rate it does not train alike, because the gradients that reach those weights are
    smaller too. torch, Keras and JAX have `standard` only.
    """

    scales: ClassVar[bool] = False

    @override
    def evaluate(self, x: Tensor, rate: Tensor) -> Tensor:
        return x * (kept_levels(rate) / LEVELS).to(x.dtype)

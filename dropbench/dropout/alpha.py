"""Alpha dropout, for SELU."""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Tensor
from typing_extensions import override

from dropbench.dropout.base import LEVELS, Variant, kept_levels
from dropbench.sites import Site

_LOWEST = -1.0507009873554805 * 1.6732632423543772
"""α' = -λα, the limit of SELU as its input goes to minus infinity."""


class Alpha(Variant):
    """A dropped element becomes α', SELU's lowest value, and a map a·x + b then restores mean 0 and variance 1.

    Klambauer et al. 2017 (arXiv:1706.02515, "New dropout technique"): a = (keep + α'² keep (1 - keep))^(-1/2) and b = -a (1
    - keep) α'. The mean 0 and variance 1 of a layer's activations taken together are preserved. The expectation of a single
    element is not: it is multiplied by a · keep. This needs standardised activations, which SELU with LeCun's initialisation
    gives. After another activation, which has another mean and variance, both are shifted, and α' is not a value at which
    units saturate: set `model.activation=selu`. A site that follows another activation gets a warning.

    Same as torch's `nn.AlphaDropout` and Keras' `AlphaDropout`; torch's `FeatureAlphaDropout` drops whole maps.
    """

    scales: ClassVar[bool] = False

    @override
    def warns(self, site: Site) -> str | None:
        if site.follows in (None, "selu"):
            return None
        return (
            f"dropout=alpha keeps mean 0 and variance 1 after SELU only, and here it follows {site.follows}; "
            "set model.activation=selu, or choose dropout=standard"
        )

    @override
    def act(self, x: Tensor, mask: Tensor, rate: Tensor) -> Tensor:
        keep = kept_levels(rate) / LEVELS
        a = torch.rsqrt(keep + _LOWEST**2 * keep * (1 - keep))
        b = -a * (1 - keep) * _LOWEST
        # a x + b where the mask is 1, a α' + b where it is 0.
        return x * (mask * a.to(x.dtype)) + ((1 - mask) * (a * _LOWEST).to(x.dtype) + b.to(x.dtype))

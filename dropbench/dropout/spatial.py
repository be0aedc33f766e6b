"""Spatial dropout."""

from __future__ import annotations

from typing_extensions import override

from dropbench.dropout.base import Variant
from dropbench.sites import Site


class Spatial(Variant):
    """Drops whole feature maps: one draw per channel, shared by all positions of a map or all steps of a sequence.

    Tompson et al. 2015 (arXiv:1411.4280, section 3.2). On maps it is torch's `Dropout2d` and Keras' `SpatialDropout2D`, on
    sequences `Dropout1d` and `SpatialDropout1D`. torch's classes guess the layout from the number of axes, and the meaning
    of a 3-D input to `Dropout2d` has changed; here the site declares its axes. A vector has no map to drop: use `standard`.
    """

    @override
    def supports(self, site: Site) -> str | None:
        if reason := super().supports(site):
            return reason
        if site.axes in ("CHW", "TF"):
            return None
        return f"drops whole feature maps, and {site.name} {'is a vector' if site.axes == 'F' else 'has none'}"

    @override
    def warns(self, site: Site) -> str | None:
        if any(n > 1 for n, axis in zip(site.shape, site.axes, strict=True) if axis not in "CF"):
            return None
        return f"dropout=spatial is the same as dropout=standard at {site.name}, whose maps have a single position"

    @override
    def noise_shape(self, site: Site, batch: int) -> tuple[int, ...]:
        return (batch, *(n if axis in "CF" else 1 for n, axis in zip(site.shape, site.axes, strict=True)))

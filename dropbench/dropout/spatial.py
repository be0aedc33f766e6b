"""Spatial dropout."""

from __future__ import annotations

from typing_extensions import override

from dropbench.dropout.base import Variant
from dropbench.sites import Site


class Spatial(Variant):
    """Whole feature maps are dropped: one draw a channel, shared over height and width, or over the time of a sequence.

    Tompson et al. 2015 (arXiv:1411.4280, section 3.2). torch's `Dropout2d` and Keras' `SpatialDropout2D` on maps, `Dropout1d`
    and `SpatialDropout1D` on sequences. torch's guess the layout from the number of axes, and a 3-D input to `Dropout2d`
    has meant two things; here the site's axes say it. On a vector there is no map to drop: use `standard`.
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
        return f"dropout=spatial at {site.name}, a map of one position, is the same as dropout=standard"

    @override
    def noise_shape(self, site: Site, batch: int) -> tuple[int, ...]:
        return (batch, *(n if axis in "CF" else 1 for n, axis in zip(site.shape, site.axes, strict=True)))

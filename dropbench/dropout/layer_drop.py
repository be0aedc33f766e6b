"""LayerDrop."""

from __future__ import annotations

from typing_extensions import override

from dropbench.dropout.stochastic_depth import StochasticDepth
from dropbench.sites import Site


class LayerDrop(StochasticDepth):
    """Whole layers of a transformer, attention and feed-forward block together, are dropped for a batch, all at one rate.

    Fan, Grave & Joulin 2019, "Reducing Transformer Depth on Demand with Structured Dropout", arXiv:1909.11556, section 3.2. It
    is `stochastic_depth` with `decay=uniform` and `per=batch` at whole layers, which `model.branches=layer` makes branches of;
    a layer that is dropped is not computed. Fan et al. scale nothing, in training or after it; here what is kept is scaled by
    1 / (1 - rate) in training, so that evaluation, which uses all layers, is what training is on average. In models whose
    residual branches are not parts of a layer, as of `resnet`, it drops those.
    """

    def __init__(self) -> None:
        super().__init__(decay="uniform", per="batch")

    @override
    def supports(self, site: Site) -> str | None:
        if reason := super().supports(site):
            return reason
        part = site.axes == "TF" and site.name.endswith(".branch")
        return f"drops whole layers, and {site.name} is a part of one; type model.branches=layer" if part else None

"""LayerDrop."""

from __future__ import annotations

from typing_extensions import override

from dropbench.dropout.stochastic_depth import StochasticDepth
from dropbench.sites import Site


class LayerDrop(StochasticDepth):
    """Drops whole layers of a transformer (attention and feed-forward block together) for a batch, all at the same rate.

    Fan, Grave & Joulin 2019, "Reducing Transformer Depth on Demand with Structured Dropout", arXiv:1909.11556, section 3.2.
    This is `stochastic_depth` with `decay=uniform` and `per=batch` on whole layers; `model.branches=layer` makes each layer
    one branch. A dropped layer is not computed. Fan et al. scale nothing, in training or in evaluation. Here kept layers are
    scaled by 1 / (1 - rate) in training, so that on average training matches evaluation, which uses all layers. In models
    whose residual branches are not parts of a layer, such as `resnet`, it drops the residual branches.
    """

    def __init__(self) -> None:
        super().__init__(decay="uniform", per="batch")

    @override
    def supports(self, site: Site) -> str | None:
        if reason := super().supports(site):
            return reason
        part = site.axes == "TF" and site.name.endswith(".branch")
        return f"drops whole layers, and {site.name} is only a part of one; type model.branches=layer" if part else None

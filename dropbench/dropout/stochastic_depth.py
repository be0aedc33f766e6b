"""Stochastic depth."""

from __future__ import annotations

from typing import ClassVar, Literal

from typing_extensions import override

from dropbench.dropout.base import Variant
from dropbench.sites import Kind, Site


class StochasticDepth(Variant):
    """Drops whole residual branches, leaving the shortcut, and scales the kept ones by 1 / (1 - rate) in training.

    Huang et al. 2016 (arXiv:1603.09382). `rate` is the rate of the last branch. With `decay` "linear", branch l of L has l /
    L of it (their equation 4: p_l = 1 - l / L (1 - p_L) for the survival probability p); with "uniform", all have the same.
    In torchvision and timm the rate is 0 at the first branch, and torchvision's last branch has only (L - 1) / L of it. A
    rate given for a site in `dropout.rates` is used as it is, without decay.

    `per` "example" drops a branch for each example independently, as torchvision's `StochasticDepth(mode="row")` and timm's
    `DropPath` do. `per` "batch" drops it for the whole mini-batch, as the paper does (torchvision's "batch"). The dropped
    branch is then not computed, which saves time but makes a step noisier. Its gradient is zero, which the optimizer treats
    as any other gradient, and its batch norms do not see the batch. If another variant acts inside branches, the branch is
    computed all the same, and its batch norms see the batch.

    The paper scales in evaluation instead: branches are multiplied by p_l there and are unscaled in training, which gives
    the same mean. torchvision and timm scale in training, as is done here, and evaluation is the identity.

    EfficientNet code and Keras contributions call this "drop_connect", but DropConnect (Wan et al. 2013) drops weights.
    LayerDrop (Fan et al. 2019, arXiv:1909.11556) is `dropout=layer_drop`: `decay=uniform per=batch` with
    `model.branches=layer`.
    """

    kinds: ClassVar[frozenset[Kind]] = frozenset({"branch"})

    def __init__(
        self, *, decay: Literal["linear", "uniform"] = "linear", per: Literal["example", "batch"] = "example"
    ) -> None:
        self.decay = decay
        self.per = per

    @override
    def site_rate(self, site: Site, rate: float) -> float:
        return rate if self.decay == "uniform" or site.depth is None else rate * site.depth

    @override
    def noise_shape(self, site: Site, batch: int) -> tuple[int, ...]:
        return (batch if self.per == "example" else 1, *(1 for _ in site.shape))

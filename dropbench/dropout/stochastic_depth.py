"""Stochastic depth."""

from __future__ import annotations

from typing import ClassVar, Literal

from typing_extensions import override

from dropbench.dropout.base import Variant
from dropbench.sites import Kind, Site


class StochasticDepth(Variant):
    """Whole residual branches are dropped, which leaves the shortcut; what is kept is scaled by 1 / (1 - rate) in training.

    Huang et al. 2016 (arXiv:1603.09382). `rate` is that of the last branch. With `decay` "linear" branch l of L has l / L of
    it, their equation 4, p_l = 1 - l / L (1 - p_L) for survival p; with "uniform" all have the same. torchvision and timm
    decay from 0 at the first branch, torchvision to (L - 1) / L of the rate at the last. A rate given for a site in
    `dropout.rates` is that site's, without decay.

    `per` "example" drops a branch for each example by itself, as torchvision's `StochasticDepth(mode="row")` and timm's
    `DropPath` do. `per` "batch" drops it for the whole mini-batch, as the paper does (torchvision's "batch"), and then it is
    not computed at all: time is saved, and the noise of a step is larger. A branch that is dropped for a batch gets a
    gradient of zero, which an optimizer treats as any other, and its batch norms do not see the batch. Beside another variant
    that acts inside of branches it is computed all the same, and they do.

    The paper scales at the test instead: branches are multiplied by p_l there and unscaled in training, which gives the same
    mean. torchvision and timm scale in training, as here, and evaluation is the identity.

    EfficientNet code and Keras contributions call this "drop_connect"; DropConnect (Wan et al. 2013) drops weights.
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

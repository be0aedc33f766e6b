"""Standard (inverted) dropout."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from typing_extensions import override

from dropbench.dropout.base import Variant
from dropbench.sites import Site


class Standard(Variant):
    """Drops each element independently and scales the kept ones by 1 / (1 - rate) in training.

    Hinton et al. 2012 (arXiv:1207.0580); Srivastava et al. 2014 (JMLR 15, section 4), who scale the weights at test time
    instead. It is torch's `nn.Dropout` with `p` = rate, and Keras' `Dropout`. In the papers, `p` is the probability of
    keeping.

    `per` "element" draws for each element of each example, as the papers and both libraries do. `per` "batch" draws one mask
    that all examples of a mini-batch share, as Keras' `noise_shape=(1, ...)`: one thinned network for the whole batch.
    """

    per: Literal["element", "batch"] = "element"
    """Also set on the class, for a user's subclass whose constructor does not call this one."""

    def __init__(self, *, per: Literal["element", "batch"] = "element") -> None:
        self.per = per

    @staticmethod
    def one_form(options: Mapping[str, Any]) -> dict[str, Any]:
        """Returns the options without the default `per`: it was added later and is not part of the ids of earlier runs."""
        return {name: value for name, value in options.items() if (name, value) != ("per", "element")}

    @override
    def noise_shape(self, site: Site, batch: int) -> tuple[int, ...]:
        return (batch if self.per == "element" else 1, *site.shape)

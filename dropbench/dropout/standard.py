"""Standard (inverted) dropout."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from typing_extensions import override

from dropbench.dropout.base import Variant
from dropbench.sites import Site


class Standard(Variant):
    """Each element is dropped by itself, and what is kept is scaled by 1 / (1 - rate) in training.

    Hinton et al. 2012 (arXiv:1207.0580); Srivastava et al. 2014 (JMLR 15, section 4), whose original scaled the weights at
    test time instead. What torch calls `nn.Dropout`, with `p` = rate, and Keras `Dropout`. The papers' own `p` is the
    probability of keeping.

    `per` "element" draws for each element of each example, as all of these do. `per` "batch" draws one mask for a mini-batch,
    which all of its examples share: Keras' `noise_shape=(1, ...)`, and what a thinned network of the whole batch would be.
    """

    per: Literal["element", "batch"] = "element"
    """Of the class, for one of a user's that is made of it and has a constructor of its own."""

    def __init__(self, *, per: Literal["element", "batch"] = "element") -> None:
        self.per = per

    @staticmethod
    def one_form(options: Mapping[str, Any]) -> dict[str, Any]:
        """Its options without the usual `per`, which came later than some runs and is no part of their ids."""
        return {name: value for name, value in options.items() if (name, value) != ("per", "element")}

    @override
    def noise_shape(self, site: Site, batch: int) -> tuple[int, ...]:
        return (batch if self.per == "element" else 1, *site.shape)

"""A penalty on large activations (AR of Merity et al. 2017)."""

from __future__ import annotations

from typing import Annotated, ClassVar

from annotated_types import Ge
from torch import Tensor
from typing_extensions import override

from dropbench.regularizers.base import Draws, Given, Regularizer, SiteName, Slot, Step


class ActivationL2(Regularizer):
    """loss + α mean(h²) of the activations h at a site.

    Merity, McCann & Socher 2017, "Revisiting Activation Regularization for Language RNNs", arXiv:1708.01009, and the code of
    AWD-LSTM (arXiv:1708.02182), where h is the top layer's output after its dropout. Here h is taken before dropout. At rate
    p the mean square after dropout is, in expectation, 1 / (1 - p) times as large.
    """

    slot: ClassVar[Slot] = "loss"
    watches: ClassVar[bool] = True

    def __init__(self, *, alpha: Annotated[float, Ge(0)] = 2.0, site: SiteName | None = None) -> None:
        """alpha: α; 2 in AWD-LSTM. site: the name of the site; None: the last one."""
        self._site = site

    @override
    def supports(self, given: Given) -> str | None:
        return no_site(given, self._site)

    @override
    def loss(self, step: Step, loss: Tensor, strength: Tensor, draws: Draws) -> Tensor:
        return loss + strength * step.activations(self._site).float().square().flatten(1).mean(1)


def no_site(given: Given, site: str | None) -> str | None:
    """Returns why a site's activations cannot be read, as the end of a sentence, or None if they can."""
    if not given.sites:
        return "reads the activations at a site, and this model has no site for activations"
    if site is None or site in given.sites:
        return None
    return (
        f"reads the activations at the site {site}, and this model's sites for activations are {', '.join(given.sites)}"
    )

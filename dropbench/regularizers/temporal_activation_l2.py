"""A penalty on activations that change from step to step (TAR of Merity et al. 2017)."""

from __future__ import annotations

from typing import Annotated, ClassVar

from annotated_types import Ge
from torch import Tensor
from typing_extensions import override

from dropbench.regularizers.activation_l2 import no_site
from dropbench.regularizers.base import Draws, Given, Regularizer, SiteName, Slot, Step


class TemporalActivationL2(Regularizer):
    """loss + β mean((hₜ₊₁ - hₜ)²) of the activations h at a site with steps, before its dropout.

    Merity, McCann & Socher 2017, "Revisiting Activation Regularization for Language RNNs", arXiv:1708.01009, and the code of
    AWD-LSTM (arXiv:1708.02182).
    """

    slot: ClassVar[Slot] = "loss"
    watches: ClassVar[bool] = True

    def __init__(self, *, beta: Annotated[float, Ge(0)] = 1.0, site: SiteName | None = None) -> None:
        """beta: β; 1 in AWD-LSTM. site: the name of the site; None: the last one."""
        self._site = site

    @override
    def supports(self, given: Given) -> str | None:
        if reason := no_site(given, self._site):
            return reason
        site = self._site or list(given.sites)[-1]
        if given.sites[site] > 1:
            return None
        several = [name for name, steps in given.sites.items() if steps > 1]
        typed = f"type regularizer.temporal_activation_l2.site={several[-1]}" if several else ""
        where = typed or "this model has no site with several steps"
        return f"compares the steps of a sequence, and the site {site} has only one; {where}"

    @override
    def loss(self, step: Step, loss: Tensor, strength: Tensor, draws: Draws) -> Tensor:
        h = step.activations(self._site).float()
        return loss + strength * (h[:, :, 1:] - h[:, :, :-1]).square().flatten(1).mean(1)

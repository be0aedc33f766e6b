"""Manifold mixup (Verma et al. 2019)."""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated, ClassVar

import torch
from annotated_types import Ge, MinLen
from torch import Tensor
from typing_extensions import override

from dropbench.data.batch import Batch
from dropbench.regularizers.base import Draws, Given, Regularizer, SiteName, Slot
from dropbench.regularizers.mixup import beta, mixture, no_targets, targets

INPUT = "input"


class ManifoldMixup(Regularizer):
    """`mixup` of the activations at a random place in the network at each update: the input or a site.

    Verma et al. 2019, "Manifold Mixup: Better Representations by Interpolating Hidden States", arXiv:1806.05236, algorithm
    in section 2. The place and λ are drawn once per batch. Activations are mixed before the dropout of their site.
    """

    slot: ClassVar[Slot] = "mixing"

    def __init__(
        self, *, alpha: Annotated[float, Ge(0)] = 2.0, sites: Annotated[tuple[SiteName, ...], MinLen(1)] | None = None
    ) -> None:
        """alpha: of Beta(α, α); in the paper 2; 0 is no mixing. sites: the places; None: all that no shortcut bypasses."""
        self._sites = sites

    @override
    def supports(self, given: Given) -> str | None:
        if given.view == "graph":
            return "mixes examples of a batch, and the nodes of a graph are always computed together"
        if reason := no_targets(given):
            return reason
        possible = self._possible(given)
        if self._sites is None:
            if given.whole is None:
                return (
                    "must mix at sites that no shortcut bypasses and cannot find them in this network; name them with "
                    f"regularizer.manifold_mixup.sites=[...], from {', '.join(possible)}"
                )
            return None if possible else "mixes at sites of activations, and this model has no such site"
        unknown = [site for site in self._sites if site not in possible]
        return f"cannot mix at {unknown[0]}; name some of {', '.join(possible)}" if unknown else None

    @override
    def examples(self, batch: Batch, strength: Tensor, draws: Draws, given: Given) -> Batch:
        places = self._sites or self._possible(given)
        share, place = draws.uniform((2, 1)).unbind(1)
        order = draws.permutation(batch.y.shape[1])
        share = beta(strength, share)
        at = [places[i] for i in (place[:, 0] * len(places)).long().clamp(max=len(places) - 1).tolist()]
        x = batch.x
        if INPUT in places:
            here = torch.tensor([site == INPUT for site in at], device=share.device)[:, None]
            x = mixture(x, torch.where(here, share, 1.0), order)
        inside = tuple(place for place in places if place != INPUT)
        return replace(batch, x=x, mixed=replace(targets(batch, share, order), order=order, at=tuple(at), sites=inside))

    def _possible(self, given: Given) -> tuple[str, ...]:
        inside = given.sites if given.whole is None else given.whole
        return (*((INPUT,) if given.numbers else ()), *inside)

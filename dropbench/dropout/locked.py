"""Locked ("variational" in Gal's sense) dropout for sequences."""

from __future__ import annotations

from typing import ClassVar

from typing_extensions import override

from dropbench.dropout.base import Variant
from dropbench.sites import Kind, Site


class Locked(Variant):
    """Drops the same features at every time step of a sequence, between layers and on the recurrent path.

    Gal & Ghahramani 2016 (arXiv:1512.05287): their variational RNN has one mask per sequence for the inputs, the states and
    the outputs of a layer. They also drop words, which is `embedding` here. `dropout.placement` chooses the sites:
    AWD-LSTM's `LockedDropout` (Merity et al. 2017) is `[embedded, "hidden.*", head]`, without the recurrent sites. Each
    sequence of a batch has its own mask. The "variational dropout" of Kingma et al. 2015, which learns Gaussian noise, is
    another method: `kingma`.
    """

    kinds: ClassVar[frozenset[Kind]] = frozenset({"activation", "recurrent"})

    @override
    def supports(self, site: Site) -> str | None:
        if reason := super().supports(site):
            return reason
        return None if "T" in site.axes else f"uses one mask for all time steps, and {site.name} has no time axis"

    @override
    def noise_shape(self, site: Site, batch: int) -> tuple[int, ...]:
        return (batch, *(1 if axis == "T" else n for n, axis in zip(site.shape, site.axes, strict=True)))

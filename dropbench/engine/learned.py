"""Learned rates: parameters beside those of the model, in one stack with them."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from typing_extensions import override

from dropbench.dropout.base import Learned
from dropbench.engine.noise import StackNoise
from dropbench.engine.site_noise import SiteNoise
from dropbench.engine.user_module import Ordinary
from dropbench.nn.activation import function
from dropbench.nn.pace import Pace


class LearnedRates(nn.Module):
    """A model with the rates of a `Learned` variant: before each pass the noise is told what they are now.

    A rate is the sigmoid of its parameter, one a replica and site or as many as the variant says. Where it starts at 0
    it stays there.
    """

    def __init__(self, model: nn.Module, sites: dict[str, SiteNoise]) -> None:
        super().__init__()
        self.model = model
        self._sites = {name: name.replace(".", "/") for name in sites}  # a module's attributes have no dots
        self.paces = {f"logit_{held_as}": Pace(decay=0.0) for held_as in self._sites.values()}
        for name, at in sites.items():
            assert isinstance(at.variant, Learned)
            shape = at.variant.rate_shape(at.site)
            start = at.nominal.view(-1, *(1,) * len(shape)).expand(-1, *shape)
            # In float64, and one number at a time in effect: every replica of one rate starts from the same bits.
            logit = torch.logit(start.double().cpu(), eps=1e-6).to(at.nominal)
            self.register_parameter(f"logit_{self._sites[name]}", nn.Parameter(logit))
            self.register_buffer(f"on_{self._sites[name]}", (start > 0).to(start.dtype))

    @override
    def forward(self, x: Tensor, noise: StackNoise) -> Tensor:
        at = noise.learned()
        for name, held_as in self._sites.items():
            at[name].rate = function("sigmoid")(getattr(self, f"logit_{held_as}")) * getattr(self, f"on_{held_as}")
        out: Tensor = self.model(x, noise)
        return out

    def logits(self) -> dict[str, Tensor]:
        """The parameter behind the rates of each site, [K, ...]."""
        return {site: getattr(self, f"logit_{held_as}") for site, held_as in self._sites.items()}

    def penalty(self, noise: StackNoise, n_train: int) -> Tensor:
        """What the variant's prior adds to each replica's mean loss, [K], at the rates of the last pass."""
        readers = dict(self.model.named_parameters())
        # A plain module's own names are not those under which its stand-in holds its parameters.
        names = self.model.names if isinstance(self.model, Ordinary) else {}
        terms = []
        for name, at in noise.learned().items():
            variant, reader = at.variant, at.site.reader
            assert isinstance(variant, Learned), name
            weights = None if reader is None else readers[names.get(reader, reader)]
            terms.append(variant.penalty(at.site, at.rate, weights, n_train))
        return sum(terms[1:], terms[0])

"""Learned dropout rates: parameters that are stacked and trained together with those of the model."""

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
    """Wraps a model with the learned rates of a `Learned` variant and passes the current rates to the noise before each pass.

    A rate is the sigmoid of its parameter. There is one per replica and site, or as many as the variant's `rate_shape` says.
    A rate that starts at 0 stays 0.
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
            # In float64 on the CPU, so that all replicas with the same rate start from the same bits.
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
        """Returns the parameter whose sigmoid is the rate, by site, [K, ...]."""
        return {site: getattr(self, f"logit_{held_as}") for site, held_as in self._sites.items()}

    def penalty(self, noise: StackNoise, n_train: int) -> Tensor:
        """Returns what the variant's prior adds to each replica's mean loss, [K], at the rates of the last pass."""
        readers = dict(self.model.named_parameters())
        # `Ordinary` holds the parameters of a user's module under names other than the module's own.
        names = self.model.names if isinstance(self.model, Ordinary) else {}
        terms = []
        for name, at in noise.learned().items():
            variant, reader = at.variant, at.site.reader
            assert isinstance(variant, Learned), name
            weights = None if reader is None else readers[names.get(reader, reader)]
            terms.append(variant.penalty(at.site, at.rate, weights, n_train))
        return sum(terms[1:], terms[0])

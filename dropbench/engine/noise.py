"""Noise for a stacked model: what stands behind the `noise(site, x)` that models call."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Mapping, Sequence

import torch
from torch import Tensor

from dropbench.dropout.base import Variant
from dropbench.engine.streams import NoiseStream
from dropbench.nn.linear import affine
from dropbench.sites import Site


class SiteNoise:
    """One variant at one site of a stack: its rates, one a replica, and its stream."""

    def __init__(
        self,
        variant: Variant,
        site: Site,
        rates: Sequence[float],
        seeds: Sequence[int],
        batch: int,
        device: torch.device,
    ) -> None:
        self.variant = variant
        self.site = site
        self.rate = torch.tensor(rates, dtype=torch.float32, device=device)
        # Maps are drawn channels-last, the order in which convolutions hand them over: a mask in another order would make
        # every multiplication a strided one.
        self._maps = site.axes == "CHW"
        n = math.prod(variant.noise_shape(site, batch))
        self._stream = NoiseStream(seeds, f"mask/{site.name}", n, variant.draws, device)

    def mask(self, batch: int, dtype: torch.dtype) -> Tensor:
        """The mask of the next step for `batch` examples, at most as many as the stream was opened for."""
        shape = self.variant.noise_shape(self.site, batch)
        noise = self._stream.next()[:, : math.prod(shape)]
        if self._maps:
            b, c, h, w = shape
            noise = noise.reshape(-1, b, h, w, c).permute(0, 1, 4, 2, 3)
        else:
            noise = noise.reshape(-1, *shape)
        return self.variant.mask(noise, self.rate.view(-1, *(1,) * len(shape)), dtype)

    def broadcast_rate(self, x: Tensor) -> Tensor:
        return self.rate.view(-1, *(1,) * (x.ndim - 1))

    def narrowed(self, replicas: Tensor) -> SiteNoise:
        other = copy.copy(self)
        other.rate = self.rate[replicas]
        other._stream = self._stream.narrowed(replicas)
        return other


class StackNoise:
    """`sites.Noise` for a stack. `training` switches the noise alone, so that batch norm may stay in evaluation mode."""

    def __init__(
        self,
        variant: Variant,
        sites: Sequence[Site],
        rates: Sequence[Mapping[str, float]],
        seeds: Sequence[int],
        batch: int,
        device: torch.device,
    ) -> None:
        """`rates` has one mapping a replica, of site names to rates; a site that it leaves out has rate 0 there."""
        self.training = True
        self._at = {
            site.name: SiteNoise(variant, site, [r.get(site.name, 0.0) for r in rates], seeds, batch, device)
            for site in sites
            if any(r.get(site.name, 0.0) > 0 for r in rates)
        }

    def __call__(self, site: str, x: Tensor) -> Tensor:
        if (at := self._at.get(site)) is None:
            return x
        rate = at.broadcast_rate(x)
        if self.training:
            return at.variant.act(x, at.mask(x.shape[1], x.dtype), rate)
        return at.variant.evaluate(x, rate)

    def affine(self, site: str, x: Tensor, weight: Tensor, bias: Tensor, then: Callable[[Tensor], Tensor]) -> Tensor:
        if (at := self._at.get(site)) is None:
            return then(affine(x, weight, bias))
        rate = at.broadcast_rate(weight)
        if not self.training:
            return at.variant.evaluate_affine(x, weight, bias, rate, then)
        mask = at.mask(x.shape[1], weight.dtype)
        return then(
            affine(x, at.variant.act(weight, mask[..., :-1, :], rate), at.variant.act(bias, mask[..., -1:, :], rate))
        )

    def steps(self, site: str) -> Callable[[Tensor, int], Tensor] | None:
        if (at := self._at.get(site)) is None:
            return None
        if not self.training:
            return lambda state, step: at.variant.evaluate(state, at.broadcast_rate(state))
        masks: list[Tensor] = []

        def act(state: Tensor, step: int) -> Tensor:
            if not masks:  # drawn at the first step, when the batch and the type of the state are known
                masks.extend(at.mask(state.shape[1], state.dtype).unbind(2))
            return at.variant.act(state, masks[step % len(masks)], at.broadcast_rate(state))

        return act

    def rates(self) -> dict[str, Tensor]:
        """The rate in force at each site, [K]."""
        return {name: at.rate for name, at in self._at.items()}

    def narrowed(self, replicas: Tensor) -> StackNoise:
        """The noise of these replicas only, which goes on where this is and takes its place."""
        other = copy.copy(self)
        other._at = {name: at.narrowed(replicas) for name, at in self._at.items()}
        return other

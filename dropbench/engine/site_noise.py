"""The noise of one variant at one site of a stacked model."""

from __future__ import annotations

import copy
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from dropbench.dropout.base import Keeping, Variant
from dropbench.engine.streams import NoiseStream
from dropbench.engine.tape import Tape
from dropbench.sites import Site


@dataclass(frozen=True)
class Acting:
    """One of a run's variants at one site.

    Attributes
    ----------
    variant : Variant
        The variant.
    kind : str
        A key that is equal for equal variants with equal options, which share draws and operations.
    site : Site
        The site.
    rate : float
        The rate, in (0, 1).
    stream : str
        The name of its random stream, without the prefix.
    label : str
        The name under which its rate is recorded.
    slot : int
        The position of the variant in the run's list of variants.
    """

    variant: Variant
    kind: str
    site: Site
    rate: float
    stream: str
    label: str
    slot: int = 0


class SiteNoise:
    """One variant at one site of a stack: its rates, one per replica, and its random stream."""

    def __init__(
        self,
        variant: Variant,
        site: Site,
        rates: Sequence[float],
        seeds: Sequence[int],
        batch: int,
        device: torch.device,
        opening: str = "mask",
        shared: bool = False,
        *,
        stream: str | None = None,
        label: str | None = None,
        slots: Sequence[int] = (),
    ) -> None:
        """Creates the noise of one site, at the beginning of its stream.

        Parameters
        ----------
        variant : Variant
            The variant.
        site : Site
            The site.
        rates : Sequence[float]
            One per replica, in [0, 1).
        seeds : Sequence[int]
            One per replica; replicas with equal seeds share their draws.
        batch : int
            The largest number of examples in a step.
        device : torch.device
            The device on which masks are drawn.
        opening : str
            The prefix of the stream's name.
        shared : bool
            Whether all examples share one mask until `StackNoise.advance` is called.
        stream, label : str, optional
            As in `Acting`; by default the site's name.
        slots : Sequence[int], optional
            For each replica, the position of this variant in its list of variants; by default 0, the first.
        """
        self.variant = variant
        self.site = site
        self.stream = site.name if stream is None else stream
        self.label = site.name if label is None else label
        self.nominal = torch.tensor(rates, dtype=torch.float32, device=device)
        """The rates without a schedule, [K]."""
        self.rate = self.nominal
        self.acts = [rate > 0 for rate in rates]
        """Whether each replica has noise here."""
        self._slots = torch.tensor(list(slots) or [0] * len(rates), device=device)
        self._seeds = list(seeds)
        self._shared = shared
        self._held: Tensor | None = None
        self.tape: Tape | None = None
        """The tape of the current update if it passes through the model more than once and must repeat its draws, else None."""
        # Masks of images are channels-last like the outputs of convolutions. In another memory order every multiplication
        # would be strided.
        self._maps = site.axes == "CHW"
        self.multiplies, self.rests = variant.multiplies, variant.rests
        self.fuses = variant.multiplies and not variant.learned
        """Whether training only multiplies by a mask that gets no gradient, so that the product can be fused."""
        self.signed = variant.draws != "bits" or not variant.flips
        """Whether the mask may be negative."""
        n = math.prod(variant.noise_shape(site, 1 if shared else batch))
        self._numbers = NoiseStream(seeds, f"{opening}/{self.stream}", n, variant.draws, device)

    @property
    def rate(self) -> Tensor:
        """The current rates: [K], or [K, ...] if a variant learns several per replica."""
        return self._rate

    @rate.setter
    def rate(self, rate: Tensor) -> None:
        self._rate = rate
        # Values derived from the rates, cached until the rates change, which most never do.
        self._shaped: dict[int, Tensor] = {}
        self._keeping: dict[tuple[int, torch.dtype], Keeping] = {}

    def draw(self, batch: int) -> Tensor:
        """Returns the noise of the next step for `batch` examples, at most as many as were given at construction."""
        shape = self.variant.noise_shape(self.site, 1 if self._shared else batch)
        noise = (self._next() if self._held is None else self._held)[:, : math.prod(shape)]
        if self._shared:
            self._held = noise
        if self._maps and len(shape) == 4:
            b, c, h, w = shape
            return noise.reshape(-1, b, h, w, c).permute(0, 1, 4, 2, 3)
        return noise.reshape(-1, *shape)

    def _next(self) -> Tensor:
        return self._numbers.next() if self.tape is None else self.tape.next(self._numbers.next)

    def mask(self, batch: int, dtype: torch.dtype) -> Tensor:
        """Returns the mask of the next step."""
        return self.mask_of(self.draw(batch), dtype)

    def mask_of(self, noise: Tensor, dtype: torch.dtype) -> Tensor:
        """Returns the variant's mask for a draw [K, ...] at the current rates."""
        if not self.variant.flips:
            return self.variant.mask(noise, self.broadcast_rate(noise), dtype)
        key = noise.ndim, dtype
        if key not in self._keeping:
            self._keeping[key] = Keeping(self.broadcast_rate(noise), dtype, self.variant.scales)
        return self._keeping[key].mask(noise)

    def broadcast_rate(self, x: Tensor) -> Tensor:
        """Returns the rates in a shape that broadcasts over a tensor with as many axes as `x`."""
        if (shaped := self._shaped.get(x.ndim)) is None:
            several = self.rate.shape[1:]
            shaped = self.rate.view(-1, *(1,) * (x.ndim - 1 - len(several)), *several)
            if not self.rate.requires_grad:  # learned rates are new at every step and must be freed with their graph
                self._shaped[x.ndim] = shaped
        return shaped

    def act(self, x: Tensor) -> Tensor:
        """Returns `x` [K, B, *site.shape] under the next mask, for training."""
        return self.variant.act(x, self.mask(x.shape[1], x.dtype), self.broadcast_rate(x))

    def evaluate(self, x: Tensor) -> Tensor:
        """Returns `x` [K, B, *site.shape] for evaluation."""
        return self.variant.evaluate(x, self.broadcast_rate(x))

    def advance(self) -> None:
        """Drops the shared mask, so that the next draw is a new one."""
        self._held = None

    def narrowed(self, replicas: Tensor) -> SiteNoise:
        """Returns the noise of these replicas only, which continues from the current state and replaces this object."""
        narrower = copy.copy(self)
        narrower.nominal, narrower.rate = self.nominal[replicas], self.rate[replicas]
        narrower._slots = self._slots[replicas]
        narrower.acts = [self.acts[k] for k in replicas.tolist()]
        narrower._seeds = [self._seeds[k] for k in replicas.tolist()]
        narrower._numbers = self._numbers.narrowed(replicas)
        return narrower

    def parts(self) -> Iterator[tuple[SiteNoise, Tensor]]:
        """Yields itself with the places of its replicas, which are the whole stack."""
        yield self, torch.arange(len(self.acts))

    def scale(self, factors: Tensor) -> None:
        """Sets the rates to the nominal rates times factors in [0, 1], [K, V], one for each of a replica's V variants."""
        one = factors.shape[1] == 1
        self.rate = self.nominal * (factors[:, 0] if one else factors.gather(1, self._slots[:, None])[:, 0])

    def states(self) -> Tensor:
        """Returns the state of each replica's stream: see `NoiseStream.states`."""
        return self._numbers.states()

    def resume(self, states: Sequence[Tensor | None]) -> None:
        """Continues from the result of `states`: see `NoiseStream.resume`."""
        self._numbers.resume(states)

    def forked(self, opening: str, batch: int, shared: bool) -> SiteNoise:
        """Returns the same noise from the beginning of another stream, whose name has the prefix `opening`."""
        fork = SiteNoise(
            self.variant,
            self.site,
            [],
            self._seeds,
            batch,
            self.nominal.device,
            opening,
            shared,
            stream=self.stream,
            label=self.label,
        )
        fork.nominal, fork.rate, fork.acts, fork._slots = self.nominal, self.rate, self.acts, self._slots
        return fork

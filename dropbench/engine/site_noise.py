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
        What is done there.
    kind : str
        The same for variants that are the same, options included: they share draws and operations.
    site : Site
        Where.
    rate : float
        In (0, 1).
    stream : str
        The name of its stream, after what opens it.
    label : str
        By which its rate is told.
    slot : int
        Which of the run's variants it is.
    """

    variant: Variant
    kind: str
    site: Site
    rate: float
    stream: str
    label: str
    slot: int = 0


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
        opening: str = "mask",
        shared: bool = False,
        *,
        stream: str | None = None,
        label: str | None = None,
        slots: Sequence[int] = (),
    ) -> None:
        """Noise at one site, from the beginning of its stream.

        Parameters
        ----------
        variant : Variant
            What is done there.
        site : Site
            Where.
        rates : Sequence[float]
            One a replica, in [0, 1).
        seeds : Sequence[int]
            One a replica; equal ones share their draws.
        batch : int
            The most examples of a step.
        device : torch.device
            Where masks are drawn.
        opening : str
            Opens the name of the stream.
        shared : bool
            Whether all examples are under one mask, until `StackNoise.advance`.
        stream, label : str, optional
            As in `Acting`; the site's name if not given.
        slots : Sequence[int], optional
            Which of a run's variants this is, one a replica; the first if not given.
        """
        self.variant = variant
        self.site = site
        self.stream = site.name if stream is None else stream
        self.label = site.name if label is None else label
        self.nominal = torch.tensor(rates, dtype=torch.float32, device=device)
        """The rates without a schedule, [K]."""
        self.rate = self.nominal
        self.acts = [rate > 0 for rate in rates]
        """Of each replica, whether it has noise here."""
        self._slots = torch.tensor(list(slots) or [0] * len(rates), device=device)
        self._seeds = list(seeds)
        self._shared = shared
        self._held: Tensor | None = None
        self.tape: Tape | None = None
        """Of an update that passes through the model more than once: what it draws is drawn again."""
        # Maps are drawn channels-last, the order in which convolutions hand them over: a mask in another order would make
        # every multiplication a strided one.
        self._maps = site.axes == "CHW"
        self.multiplies, self.rests = variant.multiplies, variant.rests
        self.fuses = variant.multiplies and not variant.learned
        """Whether in training a mask that gets no gradient multiplies, and that is all."""
        self.signed = variant.draws != "bits" or not variant.flips
        """Whether the mask may be negative."""
        n = math.prod(variant.noise_shape(site, 1 if shared else batch))
        self._numbers = NoiseStream(seeds, f"{opening}/{self.stream}", n, variant.draws, device)

    @property
    def rate(self) -> Tensor:
        """The rates in force: [K], or [K, ...] where a variant learns several."""
        return self._rate

    @rate.setter
    def rate(self, rate: Tensor) -> None:
        self._rate = rate
        # What is made of the rates, for as long as they stay: of most for a whole training.
        self._shaped: dict[int, Tensor] = {}
        self._keeping: dict[tuple[int, torch.dtype], Keeping] = {}

    def draw(self, batch: int) -> Tensor:
        """The noise of the next step for `batch` examples, at most as many as the stream was opened for."""
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
        """The mask of the next step."""
        return self.mask_of(self.draw(batch), dtype)

    def mask_of(self, noise: Tensor, dtype: torch.dtype) -> Tensor:
        """What the variant makes of a draw [K, ...] at the rates in force."""
        if not self.variant.flips:
            return self.variant.mask(noise, self.broadcast_rate(noise), dtype)
        key = noise.ndim, dtype
        if key not in self._keeping:
            self._keeping[key] = Keeping(self.broadcast_rate(noise), dtype, self.variant.scales)
        return self._keeping[key].mask(noise)

    def broadcast_rate(self, x: Tensor) -> Tensor:
        """The rates, to broadcast over a tensor with as many axes as `x`."""
        if (shaped := self._shaped.get(x.ndim)) is None:
            several = self.rate.shape[1:]
            shaped = self.rate.view(-1, *(1,) * (x.ndim - 1 - len(several)), *several)
            if not self.rate.requires_grad:  # those are new at every step, and to be let go of with their graph
                self._shaped[x.ndim] = shaped
        return shaped

    def act(self, x: Tensor) -> Tensor:
        """`x` [K, B, *site.shape] in training, under the next mask."""
        return self.variant.act(x, self.mask(x.shape[1], x.dtype), self.broadcast_rate(x))

    def evaluate(self, x: Tensor) -> Tensor:
        """`x` [K, B, *site.shape] in evaluation."""
        return self.variant.evaluate(x, self.broadcast_rate(x))

    def advance(self) -> None:
        """Lets a shared mask go; the next draw is a new one."""
        self._held = None

    def narrowed(self, replicas: Tensor) -> SiteNoise:
        """The noise of these replicas only, which goes on where this is and takes its place."""
        narrower = copy.copy(self)
        narrower.nominal, narrower.rate = self.nominal[replicas], self.rate[replicas]
        narrower._slots = self._slots[replicas]
        narrower.acts = [self.acts[k] for k in replicas.tolist()]
        narrower._seeds = [self._seeds[k] for k in replicas.tolist()]
        narrower._numbers = self._numbers.narrowed(replicas)
        return narrower

    def parts(self) -> Iterator[tuple[SiteNoise, Tensor]]:
        """Itself, with the places of its replicas in the stack: all."""
        yield self, torch.arange(len(self.acts))

    def scale(self, factors: Tensor) -> None:
        """Sets the rates to the nominal ones times a factor in [0, 1] of each of a replica's variants, [K, V]."""
        one = factors.shape[1] == 1
        self.rate = self.nominal * (factors[:, 0] if one else factors.gather(1, self._slots[:, None])[:, 0])

    def states(self) -> Tensor:
        """Where each replica's stream is: see `NoiseStream.states`."""
        return self._numbers.states()

    def resume(self, states: Sequence[Tensor | None]) -> None:
        """Goes on from there: see `NoiseStream.resume`."""
        self._numbers.resume(states)

    def forked(self, opening: str, batch: int, shared: bool) -> SiteNoise:
        """The same noise from the beginning of a stream whose name opens otherwise."""
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

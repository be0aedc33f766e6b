"""Noise for a stacked model: what stands behind the `noise(site, x)` that models call."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import cast

import torch
from torch import Tensor, nn
from typing_extensions import override

from dropbench.dropout.base import AtTransitions, AtWeights, Keeping, Learned, Variant
from dropbench.engine import subset
from dropbench.engine.streams import NoiseStream
from dropbench.engine.tape import Tape
from dropbench.nn.dense import dense_relu
from dropbench.nn.embedding import lookup
from dropbench.nn.product import affine
from dropbench.nn.recurrent import Between, Times
from dropbench.sites import Site
from dropbench.sites.noise import Noise


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
        stream: str = "mask",
        shared: bool = False,
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
        stream : str
            Opens the name of the stream, before the site's.
        shared : bool
            Whether all examples are under one mask, until `StackNoise.advance`.
        """
        self.variant = variant
        self.site = site
        self.nominal = torch.tensor(rates, dtype=torch.float32, device=device)
        """The rates without a schedule, [K]."""
        self.rate = self.nominal
        self.acts = [rate > 0 for rate in rates]
        """Of each replica, whether it has noise here."""
        self._seeds = list(seeds)
        self._shared = shared
        self._held: Tensor | None = None
        self.tape: Tape | None = None
        """Of an update that passes through the model more than once: what it draws is drawn again."""
        # Maps are drawn channels-last, the order in which convolutions hand them over: a mask in another order would make
        # every multiplication a strided one.
        self._maps = site.axes == "CHW"
        self.fuses = variant.multiplies and variant.draws == "bits" and not variant.learned
        """Whether in training a mask that is never negative and gets no gradient multiplies, and that is all."""
        n = math.prod(variant.noise_shape(site, 1 if shared else batch))
        self._stream = NoiseStream(seeds, f"{stream}/{site.name}", n, variant.draws, device)

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
        return self._stream.next() if self.tape is None else self.tape.next(self._stream.next)

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
        narrower.acts = [self.acts[k] for k in replicas.tolist()]
        narrower._seeds = [self._seeds[k] for k in replicas.tolist()]
        narrower._stream = self._stream.narrowed(replicas)
        return narrower

    def states(self) -> Tensor:
        """Where each replica's stream is: see `NoiseStream.states`."""
        return self._stream.states()

    def resume(self, states: Sequence[Tensor | None]) -> None:
        """Goes on from there: see `NoiseStream.resume`."""
        self._stream.resume(states)

    def forked(self, stream: str, batch: int, shared: bool) -> SiteNoise:
        """The same noise from the beginning of another stream."""
        fork = SiteNoise(self.variant, self.site, [], self._seeds, batch, self.nominal.device, stream, shared)
        fork.nominal, fork.rate, fork.acts = self.nominal, self.rate, self.acts
        return fork


class StackNoise(Noise):
    """The noise of a stack. `training` switches the noise alone, so that batch norm may stay in evaluation mode."""

    def __init__(
        self,
        variant: Variant,
        sites: Sequence[Site],
        rates: Sequence[Mapping[str, float]],
        seeds: Sequence[int],
        batch: int,
        device: torch.device,
    ) -> None:
        """Noise of one variant at the sites where any replica has a rate above 0.

        Parameters
        ----------
        variant : Variant
            What is done there.
        sites : Sequence[Site]
            Those of the model.
        rates : Sequence[Mapping[str, float]]
            One mapping a replica, of site names to rates in [0, 1); a site that it leaves out has rate 0 there.
        seeds : Sequence[int]
            One a replica.
        batch : int
            The most examples of a step.
        device : torch.device
            Where masks are drawn.
        """
        self.training = True
        self._edit: Callable[[str, Tensor], Tensor] | None = None
        self._possible = {site.name for site in sites if variant.supports(site) is None}
        self._at: dict[str, list[SiteNoise]] = {
            site.name: [SiteNoise(variant, site, [r.get(site.name, 0.0) for r in rates], seeds, batch, device)]
            for site in sites
            if any(r.get(site.name, 0.0) > 0 for r in rates)
        }

    @override
    def __call__(self, site: str, x: Tensor) -> Tensor:
        if self._edit is not None:
            x = self._edit(site, x)
        for at in self._at.get(site, ()):
            x = at.act(x) if self.training else at.evaluate(x)
        return x

    def at(self, site: str) -> SiteNoise | None:
        """The noise of a site; None where there is none.

        Raises
        ------
        ValueError
            Where there are several: only `__call__` has them act in turn.
        """
        several = self._at.get(site)
        if several is None:
            return None
        if len(several) > 1:
            names = ", ".join(type(one.variant).__name__ for one in several)
            raise ValueError(f"several noises at one site, {site}, are not built: {names}")
        return several[0]

    @override
    def acts(self, site: str) -> bool:
        return self.training and site in self._at

    @override
    def possible(self, site: str) -> bool:
        return site in self._possible

    @override
    def affine(self, site: str, x: Tensor, weight: Tensor, bias: Tensor, then: Callable[[Tensor], Tensor]) -> Tensor:
        if (at := self.at(site)) is None:
            return then(affine(x, weight, bias))
        variant, rate = cast(AtWeights, at.variant), at.broadcast_rate(weight)
        if self.training:
            return variant.act_affine(x, weight, bias, at.mask(x.shape[1], weight.dtype), rate, then)
        return variant.evaluate_affine(x, weight, bias, rate, then)

    @override
    def dense(self, site: str, x: Tensor, weight: Tensor, bias: Tensor, then: Callable[[Tensor], Tensor]) -> Tensor:
        at = self.at(site)
        simple = at is None or (at.fuses if self.training else at.variant.rests)
        between = f"{site}.weight" in self._at or self._edit is not None or torch.is_autocast_enabled(x.device.type)
        if then is torch.relu and simple and not between:
            mask = None if at is None or not self.training else at.mask(x.shape[1], x.dtype)
            return dense_relu(x, weight, bias, mask)
        return self(site, self.affine(f"{site}.weight", x, weight, bias, then))

    @override
    def steps(self, site: str) -> Callable[[Tensor, int], Tensor] | None:
        if (at := self.at(site)) is None:
            return None
        if not self.training:
            if at.variant.rests:
                return None
            return lambda state, step: at.evaluate(state)
        if at.variant.multiplies:
            return Times(lambda state: at.mask(state.shape[1], state.dtype), at.acts)
        mask_at = _held(at)
        return lambda state, step: at.variant.act(state, mask_at(state, step), at.broadcast_rate(state))

    @override
    def transition(self, site: str) -> Callable[[Tensor, Tensor, int], Tensor] | None:
        if (at := self.at(site)) is None:
            return None
        if self.training:
            return Between(lambda state: at.mask(state.shape[1], state.dtype), at.acts)
        expected = cast(AtTransitions, at.variant).expected
        return Between(lambda state: expected(at.broadcast_rate(state)).expand_as(state)[:, :, None], at.acts)

    @override
    def branch(self, site: str, branch: nn.Module, x: Tensor, *beside: Tensor) -> Tensor:
        given = (x, *beside)
        if (at := self.at(site)) is None:
            return subset.all_of(branch, given, self)
        if not self.training:
            return at.evaluate(subset.all_of(branch, given, self))
        mask = at.mask(x.shape[1], x.dtype)
        # Noise inside the branch is for all replicas, and drawn at every step whatever is dropped.
        if mask.shape[1] > 1 or any(one.site.kind != "branch" for one in self._every()):
            return at.variant.act(subset.all_of(branch, given, self), mask, at.broadcast_rate(mask))
        # One mask for the whole batch: what is multiplied by zero need not be computed.
        kept = mask.flatten(1)[:, 0].nonzero().flatten()
        out = subset.run(branch, given, self, kept, (*x.shape[:2], *at.site.shape))
        return at.variant.act(out, mask, at.broadcast_rate(mask))

    @override
    def embed(self, site: str, ids: Tensor, table: Tensor) -> Tensor:
        rows = lookup(ids, table)
        if (at := self.at(site)) is None:
            return rows
        if not self.training:
            return at.evaluate(rows)
        # The noise of the words that occur, [K, B, T, 1], before it becomes a mask: the vocabulary is far larger.
        noise = at.draw(ids.shape[1]).expand(-1, ids.shape[1], -1, -1)
        noise = noise.gather(2, ids[..., None])
        rate = at.broadcast_rate(rows)
        return at.variant.act(rows, at.mask_of(noise, rows.dtype), rate)

    def rates(self) -> dict[str, Tensor]:
        """The rate in force at each site, [K]; of several that are learned, their mean."""
        rates = {name: one.rate.detach() for name, several in self._at.items() for one in several}
        return {
            name: r if r.ndim == 1 else torch.stack([one.mean() for one in r.unbind(0)]) for name, r in rates.items()
        }

    def scale_rates(self, factors: Tensor) -> None:
        """Sets the rates to the nominal ones times a factor in [0, 1] a replica, [K]."""
        for one in self._every():
            one.rate = one.nominal * factors

    def tape(self, made: Callable[[], Tape | None]) -> None:
        """Gives each site a tape, on which is kept what it draws, or takes it away."""
        for one in self._every():
            one.tape = made()

    def rewind(self) -> None:
        """What was drawn on the tapes is drawn again."""
        for one in self._every():
            if one.tape is not None:
                one.tape.rewind()

    def learned(self) -> dict[str, SiteNoise]:
        """The sites with a learned rate, whose `rate` the stack sets: see `engine.learned`."""
        return {name: at for name in self._at if (at := self.at(name)) and isinstance(at.variant, Learned)}

    def advance(self) -> None:
        """The next of the networks whose examples share one mask; see `forked`."""
        for one in self._every():
            one.advance()

    def narrowed(self, replicas: Tensor) -> StackNoise:
        """The noise of these replicas only, which goes on where this is and takes its place."""
        return self._with(lambda one: one.narrowed(replicas))

    def streams(self) -> dict[str, SiteNoise]:
        """Each noise by the name of its stream without `mask/`."""
        return {one.site.name: one for one in self._every()}

    def edited(self, edit: Callable[[str, Tensor], Tensor]) -> StackNoise:
        """The same noise behind `edit` of (site, x), which sees what comes to each site and may put another in its place.

        It comes before an edit that there is already, which sees what it gives.
        """
        behind, after = copy.copy(self), self._edit
        behind._edit = edit if after is None else lambda site, x: after(site, edit(site, x))
        return behind

    def forked(self, stream: str, batch: int, shared: bool = False) -> StackNoise:
        """The same noise at the same rates, from streams of another name, for batches of `batch`.

        With `shared` all examples are under one mask, one thinned network, until `advance`.
        """
        return self._with(lambda one: one.forked(stream, batch, shared))

    def _every(self) -> Iterator[SiteNoise]:
        for several in self._at.values():
            yield from several

    def _with(self, change: Callable[[SiteNoise], SiteNoise]) -> StackNoise:
        changed = copy.copy(self)
        changed._at = {name: [change(one) for one in several] for name, several in self._at.items()}
        return changed


def _held(at: SiteNoise) -> Callable[[Tensor, int], Tensor]:
    """The mask [K, B, H] of a step of a sequence, where all steps are drawn at once."""
    masks: list[Tensor] = []

    def mask_at(state: Tensor, step: int) -> Tensor:
        if not masks:  # drawn at the first step, when the batch and the type of the state are known
            masks.extend(at.mask(state.shape[1], state.dtype).unbind(2))
        return masks[step % len(masks)]

    return mask_at

"""The noise of a stacked model: implements the `noise(site, x)` that models call."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Self, cast

import torch
from torch import Tensor, nn
from typing_extensions import override

from dropbench.dropout.base import AtTransitions, AtWeights, Learned, Variant
from dropbench.engine import subset
from dropbench.engine.mixed_noise import MixedNoise
from dropbench.engine.site_noise import Acting, SiteNoise
from dropbench.engine.tape import Tape
from dropbench.nn.dense import dense_relu
from dropbench.nn.embedding import lookup
from dropbench.nn.product import affine
from dropbench.nn.recurrent import Between, Times
from dropbench.sites import Site
from dropbench.sites.noise import Noise


class StackNoise(Noise):
    """The noise of a stack. `training` switches only the noise, so that batch norm can stay in evaluation mode."""

    def __init__(
        self,
        variant: Variant,
        sites: Sequence[Site],
        rates: Sequence[Mapping[str, float]],
        seeds: Sequence[int],
        batch: int,
        device: torch.device,
    ) -> None:
        """Creates noise of one variant at the sites where any replica has a rate above 0.

        Parameters
        ----------
        variant : Variant
            The variant that acts at these sites.
        sites : Sequence[Site]
            The sites of the model.
        rates : Sequence[Mapping[str, float]]
            One mapping per replica, from site names to rates in [0, 1); a site that it leaves out has rate 0.
        seeds : Sequence[int]
            One per replica.
        batch : int
            The largest number of examples in a step.
        device : torch.device
            The device on which masks are drawn.
        """
        arms = [
            [Acting(variant, "", s, r[s.name], s.name, s.name) for s in sites if r.get(s.name, 0.0) > 0] for r in rates
        ]
        self._set(arms, [variant], sites, seeds, batch, device)

    @classmethod
    def of_arms(
        cls,
        arms: Sequence[Sequence[Acting]],
        variants: Sequence[Variant],
        sites: Sequence[Site],
        seeds: Sequence[int],
        batch: int,
        device: torch.device,
    ) -> Self:
        """Returns the noise of replicas that may each have different variants.

        Parameters
        ----------
        arms : Sequence[Sequence[Acting]]
            The variants of each replica; those at one site in the order in which they act.
        variants : Sequence[Variant]
            All variants that the runs name, whether they act or not.
        sites, seeds, batch, device
            As in `__init__`.
        """
        noise = cls.__new__(cls)
        noise._set(arms, variants, sites, seeds, batch, device)
        return noise

    def _set(
        self,
        arms: Sequence[Sequence[Acting]],
        variants: Sequence[Variant],
        sites: Sequence[Site],
        seeds: Sequence[int],
        batch: int,
        device: torch.device,
    ) -> None:
        self.training = True
        self._edit: Callable[[str, Tensor], Tensor] | None = None
        self._change: Callable[[str, Tensor], Tensor] | None = None
        self._possible = {site.name for site in sites if any(v.supports(site) is None for v in variants)}
        self._replicas = len(arms)
        self._at: dict[str, list[SiteNoise | MixedNoise]] = {}
        for site in sites:
            if found := _at_site([[a for a in arm if a.site.name == site.name] for arm in arms], seeds, batch, device):
                self._at[site.name] = found

    @override
    def __call__(self, site: str, x: Tensor) -> Tensor:
        if self._edit is not None:
            x = self._edit(site, x)
        for at in self._at.get(site, ()):
            x = at.act(x) if self.training else at.evaluate(x)
        return x if self._change is None else self._change(site, x)

    def at(self, site: str) -> SiteNoise | None:
        """Returns the noise of a site that takes a single variant, or None if there is no noise.

        Raises
        ------
        ValueError
            If the site has several variants, which planning does not allow: see `planning.variants.together`.
        """
        several = self._at.get(site)
        if several is None:
            return None
        if len(several) > 1 or not isinstance(several[0], SiteNoise):
            names = ", ".join(type(one.variant).__name__ for at in several for one, _ in at.parts())
            raise ValueError(f"{site} can have only one variant and has several: {names}")
        return several[0]

    @override
    def acts(self, site: str) -> bool:
        return self._change is not None or (self.training and site in self._at)

    @override
    def placed(self, site: str) -> bool:
        return site in self._at

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
        several = self._at.get(site, [])
        at = several[0] if several else None
        simple = len(several) < 2 and (at is None or (at.fuses if self.training else at.rests))
        between = f"{site}.weight" in self._at or torch.is_autocast_enabled(x.device.type)
        between = between or self._edit is not None or self._change is not None
        if then is torch.relu and simple and not between:
            mask = None if at is None or not self.training else at.mask(x.shape[1], x.dtype)
            return dense_relu(x, weight, bias, mask, at is not None and at.signed)
        return self(site, self.affine(f"{site}.weight", x, weight, bias, then))

    @override
    def steps(self, site: str) -> Callable[[Tensor, int], Tensor] | None:
        several = self._at.get(site)
        if several is None:
            return None
        if not self.training:
            moving = [at for at in several if not at.rests]
            return (lambda state, step: _in_turn(moving, state)) if moving else None
        if all(at.multiplies for at in several):  # their masks multiply to a single factor
            acts = [any(each) for each in zip(*(at.acts for at in several), strict=True)]
            return Times(lambda state: _product([at.mask(state.shape[1], state.dtype) for at in several]), acts)
        at = self.at(site)
        assert at is not None
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
        # Noise inside the branch is drawn for all replicas at every step, whatever is dropped, so the whole branch runs.
        if mask.shape[1] > 1 or any(one.site.kind != "branch" for one, _ in self._parts()):
            return at.variant.act(subset.all_of(branch, given, self), mask, at.broadcast_rate(mask))
        # One mask for the whole batch: a branch that is multiplied by zero need not be computed.
        kept = mask.flatten(1)[:, 0].nonzero().flatten()
        out = subset.run(branch, given, self, kept, (*x.shape[:2], *at.site.shape))
        return at.variant.act(out, mask, at.broadcast_rate(mask))

    @override
    def embed(self, site: str, ids: Tensor, table: Tensor) -> Tensor:
        rows = lookup(ids, table)
        for at in self._at.get(site, ()):
            if not self.training:
                rows = at.evaluate(rows)
                continue
            assert isinstance(at, SiteNoise)
            # Masks are made only for the words that occur, [K, B, T, 1], because the vocabulary is far larger.
            noise = at.draw(ids.shape[1]).expand(-1, ids.shape[1], -1, -1)
            noise = noise.gather(2, ids[..., None])
            rate = at.broadcast_rate(rows)
            rows = at.variant.act(rows, at.mask_of(noise, rows.dtype), rate)
        return rows

    def rates(self) -> dict[str, Tensor]:
        """Returns the current rates by their labels, [K]; the mean if a variant learns several rates at a site."""
        found: dict[str, Tensor] = {}
        for one, rows in self._parts():
            rate = one.rate.detach()
            if rate.ndim > 1:
                rate = torch.stack([each.mean() for each in rate.unbind(0)])
            found.setdefault(one.label, rate.new_zeros(self._replicas))[rows] += rate
        return found

    def scale_rates(self, factors: Tensor) -> None:
        """Sets the rates to the nominal rates times factors in [0, 1], [K, V], one for each of a replica's V variants."""
        for one, rows in self._parts():
            one.scale(factors[rows.to(factors.device)])

    def tape(self, made: Callable[[], Tape | None]) -> None:
        """Gives each site a tape that records its draws, or removes the tape if `made` returns None."""
        for one, _ in self._parts():
            one.tape = made()

    def rewind(self) -> None:
        """Rewinds the tapes, so that the next pass gets the recorded draws again."""
        for one, _ in self._parts():
            if one.tape is not None:
                one.tape.rewind()

    def learned(self) -> dict[str, SiteNoise]:
        """Returns the noise with learned rates by the name of its stream; `engine.learned` sets its `rate`."""
        return {one.stream: one for one, _ in self._parts() if isinstance(one.variant, Learned)}

    def streams(self) -> dict[str, SiteNoise]:
        """Returns the noise of a stack of one run, by the name of its stream without `mask/`."""
        return {one.stream: one for one, _ in self._parts()}

    def states(self) -> dict[str, Tensor]:
        """Returns the states of the streams by name, int64 [K, n]; negative for replicas that do not use a stream."""
        found: dict[str, Tensor] = {}
        for one, rows in self._parts():
            states, acts = one.states(), torch.tensor(one.acts)
            whole = found.setdefault(one.stream, states.new_full((self._replicas, states.shape[1]), -1))
            whole[rows[acts]] = states[acts]
        return found

    def resume(self, states: Sequence[Mapping[str, Tensor]]) -> None:
        """Continues from the result of `states`, given one mapping per replica.

        The state of a stream at a site where the replica does not act is ignored, because other runs of its seed may have
        drawn more or fewer numbers from it.
        """
        for one, rows in self._parts():
            of_rows = [states[k].get(one.stream) for k in rows.tolist()]
            one.resume(
                [s if acts and s is not None and s[0] >= 0 else None for s, acts in zip(of_rows, one.acts, strict=True)]
            )

    def advance(self) -> None:
        """With shared masks, moves on to the next thinned network; see `forked`."""
        for one, _ in self._parts():
            one.advance()

    def narrowed(self, replicas: Tensor) -> StackNoise:
        """Returns the noise of these replicas only, which continues from the current state and replaces this object."""
        return self._with(len(replicas), lambda at: at.narrowed(replicas))

    def edited(self, edit: Callable[[str, Tensor], Tensor]) -> StackNoise:
        """Returns the same noise in which `edit(site, x)` replaces the input of each site before the noise acts.

        An edit that is already there is called after it, on its result.
        """
        behind, after = copy.copy(self), self._edit
        behind._edit = edit if after is None else lambda site, x: after(site, edit(site, x))
        return behind

    def changed(self, change: Callable[[str, Tensor], Tensor]) -> StackNoise:
        """Returns the same noise in which `change(site, x)` replaces the output of each site after the noise has acted.

        `acts` is then True everywhere, so that models also call the sites that they would otherwise skip.
        """
        before = copy.copy(self)
        before._change = change
        return before

    def forked(self, opening: str, batch: int, shared: bool = False) -> StackNoise:
        """Returns the same noise at the same rates, for batches of `batch`, from streams with the prefix `opening`, not `mask`.

        With `shared`, all examples get one mask, that is one thinned network, until `advance` is called.
        """
        return self._with(self._replicas, lambda at: at.forked(opening, batch, shared))

    def _parts(self) -> Iterator[tuple[SiteNoise, Tensor]]:
        """Yields the noise of each variant at each site, with the places of its replicas, int64 [k]."""
        for several in self._at.values():
            for at in several:
                yield from at.parts()

    def _with(self, replicas: int, change: Callable[[SiteNoise | MixedNoise], SiteNoise | MixedNoise]) -> StackNoise:
        changed = copy.copy(self)
        changed._replicas = replicas
        changed._at = {}
        for name, several in self._at.items():
            if found := [one for at in several if any((one := change(at)).parts())]:
                changed._at[name] = found
        return changed


def _at_site(
    arms: Sequence[Sequence[Acting]], seeds: Sequence[int], batch: int, device: torch.device
) -> list[SiteNoise | MixedNoise]:
    """Returns the noises of one site in the order in which they act, given the variants of each replica at that site."""
    found: list[SiteNoise | MixedNoise] = []
    for turn in range(max(map(len, arms), default=0)):
        now = {k: arm[turn] for k, arm in enumerate(arms) if turn < len(arm)}
        kinds: dict[tuple[str, str, str], list[int]] = {}
        for k, acting in now.items():
            kinds.setdefault((acting.kind, acting.stream, acting.label), []).append(k)
        parts = []
        for rows in kinds.values() if len(kinds) > 1 else [range(len(arms))]:
            first = next(now[k] for k in rows if k in now)
            noise = SiteNoise(
                first.variant,
                first.site,
                [now[k].rate if k in now else 0.0 for k in rows],
                [seeds[k] for k in rows],
                batch,
                device,
                stream=first.stream,
                label=first.label,
                slots=[now[k].slot if k in now else 0 for k in rows],
            )
            parts.append((noise, torch.tensor(list(rows))))
        found.append(MixedNoise(parts, len(arms)) if len(parts) > 1 else parts[0][0])
    return found


def _in_turn(several: Sequence[SiteNoise | MixedNoise], state: Tensor) -> Tensor:
    """Returns a recurrent state after each of these noises, in evaluation."""
    for at in several:
        state = at.evaluate(state)
    return state


def _product(masks: Sequence[Tensor]) -> Tensor:
    """Returns the product of masks [K, B, T or 1, H], multiplied in order."""
    whole = masks[0]
    for mask in masks[1:]:
        whole = whole * mask
    return whole


def _held(at: SiteNoise) -> Callable[[Tensor, int], Tensor]:
    """Returns a function that gives the mask [K, B, H] of a step of a sequence; all steps are drawn at once."""
    masks: list[Tensor] = []

    def mask_at(state: Tensor, step: int) -> Tensor:
        if not masks:  # drawn at the first step, when the batch and the type of the state are known
            masks.extend(at.mask(state.shape[1], state.dtype).unbind(2))
        return masks[step % len(masks)]

    return mask_at

"""The noise of several variants at one site of a stack, each of other replicas: one mask, one product."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Self

import torch
from torch import Tensor

from dropbench.engine.site_noise import SiteNoise


class MixedNoise:
    """Variants that in training only multiply and in evaluation rest; a replica has one of them or none.

    What each would multiply by alone is written into one mask, with ones for replicas that have none, so that a replica's
    product is the same to the last bit whatever the others have.
    """

    multiplies, rests = True, True

    def __init__(self, parts: Sequence[tuple[SiteNoise, Tensor]], replicas: int) -> None:
        """Parts and the places of their replicas in the stack, int64 [k] in order, of `replicas` in all."""
        self._parts = list(parts)
        self._rows = [_slice(rows) for _, rows in parts]
        self._replicas = replicas
        self._covered = sum(len(rows) for _, rows in parts) == replicas
        self.fuses, self.signed = True, any(one.signed for one, _ in parts)
        """As of a `SiteNoise`."""

    @property
    def acts(self) -> list[bool]:
        """Of each replica, whether it has noise here."""
        found = [False] * self._replicas
        for one, rows in self._parts:
            for k, acts in zip(rows.tolist(), one.acts, strict=True):
                found[k] = acts
        return found

    def parts(self) -> Iterator[tuple[SiteNoise, Tensor]]:
        """Each variant, with the places of its replicas."""
        yield from self._parts

    def mask(self, batch: int, dtype: torch.dtype) -> Tensor:
        """The mask of the next step, [K, ...]: 1 on an axis along which all of them share draws."""
        masks = [one.mask(batch, dtype) for one, _ in self._parts]
        shape = [max(sizes) for sizes in zip(*(mask.shape[1:] for mask in masks), strict=True)]
        whole = _like(masks, (self._replicas, *shape))
        if not self._covered:
            whole.fill_(1)
        for rows, mask in zip(self._rows, masks, strict=True):
            whole[rows] = mask
        return whole

    def act(self, x: Tensor) -> Tensor:
        """`x` [K, B, *site.shape] in training, under the next mask."""
        return x * self.mask(x.shape[1], x.dtype)

    def evaluate(self, x: Tensor) -> Tensor:
        """`x` as it is."""
        return x

    def narrowed(self, replicas: Tensor) -> Self:
        """The noise of these replicas only, which goes on where this is and takes its place."""
        chosen = replicas.tolist()
        parts = []
        for one, rows in self._parts:
            at = {k: i for i, k in enumerate(rows.tolist())}
            if places := [place for place, k in enumerate(chosen) if k in at]:
                own = torch.tensor([at[chosen[place]] for place in places], device=replicas.device)
                parts.append((one.narrowed(own), torch.tensor(places)))
        return type(self)(parts, len(chosen))

    def forked(self, opening: str, batch: int, shared: bool) -> Self:
        """The same noise from the beginning of streams whose names open otherwise."""
        parts = [(one.forked(opening, batch, shared), rows) for one, rows in self._parts]
        return type(self)(parts, self._replicas)


def _like(masks: Sequence[Tensor], shape: tuple[int, ...]) -> Tensor:
    """An empty mask, that of maps channels-last as theirs are: see `SiteNoise`."""
    if len(shape) == 5:
        k, b, c, h, w = shape
        return masks[0].new_empty((k, b, h, w, c)).permute(0, 1, 4, 2, 3)
    return masks[0].new_empty(shape)


def _slice(rows: Tensor) -> slice | Tensor:
    """Neighbours as a slice, into which one writes faster."""
    first, last = int(rows[0]), int(rows[-1])
    return slice(first, last + 1) if last - first + 1 == len(rows) else rows

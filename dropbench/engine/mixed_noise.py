"""The noise at one site of a stack whose replicas have different variants: one common mask and one product."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Self

import torch
from torch import Tensor

from dropbench.engine.site_noise import SiteNoise


class MixedNoise:
    """Several variants that only multiply in training and do nothing in evaluation; each replica has at most one of them.

    The masks of all variants are written into one mask, with ones for replicas without noise. So a replica's product is the
    same to the last bit, whatever variants the others have.
    """

    multiplies, rests = True, True

    def __init__(self, parts: Sequence[tuple[SiteNoise, Tensor]], replicas: int) -> None:
        """parts: each variant's noise and the places of its replicas, int64 [k] ascending, in a stack of `replicas`."""
        self._parts = list(parts)
        self._rows = [_slice(rows) for _, rows in parts]
        self._replicas = replicas
        self._covered = sum(len(rows) for _, rows in parts) == replicas
        self.fuses, self.signed = True, any(one.signed for one, _ in parts)
        """The same as in `SiteNoise`."""

    @property
    def acts(self) -> list[bool]:
        """Whether each replica has noise here."""
        found = [False] * self._replicas
        for one, rows in self._parts:
            for k, acts in zip(rows.tolist(), one.acts, strict=True):
                found[k] = acts
        return found

    def parts(self) -> Iterator[tuple[SiteNoise, Tensor]]:
        """Yields each variant's noise with the places of its replicas."""
        yield from self._parts

    def mask(self, batch: int, dtype: torch.dtype) -> Tensor:
        """Returns the mask of the next step, [K, ...], with size 1 on each axis along which all variants share draws."""
        masks = [one.mask(batch, dtype) for one, _ in self._parts]
        shape = [max(sizes) for sizes in zip(*(mask.shape[1:] for mask in masks), strict=True)]
        whole = _like(masks, (self._replicas, *shape))
        if not self._covered:
            whole.fill_(1)
        for rows, mask in zip(self._rows, masks, strict=True):
            whole[rows] = mask
        return whole

    def act(self, x: Tensor) -> Tensor:
        """Returns `x` [K, B, *site.shape] under the next mask, for training."""
        return x * self.mask(x.shape[1], x.dtype)

    def evaluate(self, x: Tensor) -> Tensor:
        """Returns `x` unchanged."""
        return x

    def narrowed(self, replicas: Tensor) -> Self:
        """Returns the noise of these replicas only, which continues from the current state and replaces this object."""
        chosen = replicas.tolist()
        parts = []
        for one, rows in self._parts:
            at = {k: i for i, k in enumerate(rows.tolist())}
            if places := [place for place, k in enumerate(chosen) if k in at]:
                own = torch.tensor([at[chosen[place]] for place in places], device=replicas.device)
                parts.append((one.narrowed(own), torch.tensor(places)))
        return type(self)(parts, len(chosen))

    def forked(self, opening: str, batch: int, shared: bool) -> Self:
        """Returns the same noise from the beginning of other streams, whose names have the prefix `opening`."""
        parts = [(one.forked(opening, batch, shared), rows) for one, rows in self._parts]
        return type(self)(parts, self._replicas)


def _like(masks: Sequence[Tensor], shape: tuple[int, ...]) -> Tensor:
    """Returns an uninitialised mask; one for images is channels-last, like the masks of a `SiteNoise`."""
    if len(shape) == 5:
        k, b, c, h, w = shape
        return masks[0].new_empty((k, b, h, w, c)).permute(0, 1, 4, 2, 3)
    return masks[0].new_empty(shape)


def _slice(rows: Tensor) -> slice | Tensor:
    """Returns consecutive rows as a slice, because writing into a slice is faster."""
    first, last = int(rows[0]), int(rows[-1])
    return slice(first, last + 1) if last - first + 1 == len(rows) else rows

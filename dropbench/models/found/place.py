"""A site that was found by trial forward passes, with the conversion of its tensor to the site's shape and back."""

from __future__ import annotations

from dataclasses import dataclass
from math import prod

import torch.nn.functional as F
from torch import Tensor

from dropbench.sites import Kind, Site
from dropbench.sites.noise import Noise

_WEIGHTS = {"weight": "IO", "recurrent_weight": "OI", "token": "VF"}
"""Kinds of site that are parameters, with their axes."""


@dataclass(frozen=True)
class Place:
    """A site, and the positions of its axes in the module's tensor.

    batch: the axis of the examples; None if one tensor is for all of them, which then share one draw. merged: how many
    entries along that axis an example has, as in [B · T, F]. order: the axes of an example, in the order of the site's axes;
    if there are more than three, neighbouring axes are flattened into one.
    """

    site: Site
    batch: int | None = 0
    merged: int = 1
    order: tuple[int, ...] = ()

    def act(self, noise: Noise, x: Tensor) -> Tensor:
        """Returns x after the noise of the site, in the same shape."""
        if self.site.kind == "recurrent_weight":  # weights have no batch axis
            return noise(self.site.name, x)
        if self.simple and tuple(x.shape[1:]) == self.site.shape:
            return usual(noise(self.site.name, x))
        y = x[None] if self.batch is None else x.movedim(self.batch, 0)
        if self.merged > 1:
            y = y.unflatten(0, (-1, self.merged))
        ordered = y.permute(0, *(1 + axis for axis in self.order))
        fold, more = (1 if self.site.kind == "attention" else 2), ordered.ndim - 1 - len(self.site.shape)
        folded = ordered.flatten(fold, fold + more) if more else ordered
        out = self._in_shape(noise, folded).reshape(ordered.shape)
        out = out.permute(0, *(1 + self.order.index(axis) for axis in range(len(self.order))))
        if self.merged > 1:
            out = out.flatten(0, 1)
        return (out[0] if self.batch is None else out.movedim(0, self.batch)).contiguous()

    @property
    def simple(self) -> bool:
        """Whether the module's tensor already has the site's shape."""
        return self.batch == 0 and self.merged == 1 and self.order == tuple(range(len(self.site.shape)))

    def _in_shape(self, noise: Noise, x: Tensor) -> Tensor:
        """Applies the noise; if the tensor is smaller than in the trial, such as for short sentences, it cuts the mask."""
        shape = x.shape[1:]
        if tuple(shape) == self.site.shape:
            return noise(self.site.name, x)
        if any(n > most for n, most in zip(shape, self.site.shape, strict=True)):
            raise RuntimeError(
                f"at {self.site.name} an example has the shape {list(shape)}, but when the model was tried it was "
                f"{list(self.site.shape)}"
            )
        wider: list[int] = []
        for n, most in zip(reversed(shape), reversed(self.site.shape), strict=True):
            wider += [0, most - n]
        out = noise(self.site.name, F.pad(x, wider))
        for axis, n in enumerate(shape):
            out = out.narrow(axis + 1, 0, n)
        return out


def usual(x: Tensor) -> Tensor:
    """Converts x to torch's default memory layout; dropbench keeps maps and their masks in channels-last layout.

    Authors reshape maps by `view`, and a convolution keeps the layout of its input. If a map has one channel or one
    position, only strides show the layout, and `contiguous` does not change them.
    """
    return x.contiguous().flatten(1).unflatten(1, x.shape[1:]) if x.ndim == 4 else x.contiguous()


def place(
    name: str,
    kind: Kind,
    two: tuple[int, ...],
    three: tuple[int, ...],
    *,
    channels_first: bool,
    own: float | None = None,
    reader: str | None = None,
    follows: str | None = None,
) -> Place | None:
    """Finds a site's axes from a tensor's shapes `two` and `three` in batches of two and of three examples.

    For a weight or an embedding table, both are the parameter's own shape: torch's [outputs, inputs] or [words, features].

    channels_first: whether the layer before puts its channels before time or height and width.

    Returns None if the shapes do not show which axis is the batch axis.
    """
    if kind in _WEIGHTS:
        return Place(Site(name, kind, two[::-1] if kind == "weight" else two, _WEIGHTS[kind]))
    varying = [i for i, (a, b) in enumerate(zip(two, three, strict=False)) if a != b]
    if len(two) != len(three) or len(varying) > 1:
        return None
    batch, merged = (varying[0] if varying else None), 1
    if batch is not None:
        merged, rest = divmod(two[batch], 2)
        if rest or three[batch] != 3 * merged:
            return None
    shape = ([merged] if merged > 1 else []) + [n for i, n in enumerate(two) if i != batch]
    if not shape:
        return None
    attention = kind == "attention"
    order = list(range(len(shape)))
    if len(shape) == 2 and channels_first and not attention:
        order = [1, 0]
    elif len(shape) > 2 and not channels_first and not attention:
        order = [order[-1], *order[:-1]]
    shape = [shape[i] for i in order]
    if (more := len(shape) - 3) > 0:  # windows count as heads, and depth counts as height
        fold = 0 if attention else 1
        shape = [*shape[:fold], prod(shape[fold : fold + more + 1]), *shape[fold + more + 1 :]]
    axes = ("S", "TS", "ATS")[len(shape) - 1] if attention else ("F", "TF", "CHW")[len(shape) - 1]
    site = Site(name, kind, tuple(shape), axes, reader=reader, follows=follows, own=own)
    return Place(site, batch, merged, tuple(order))

"""The noise of the current forward pass, shared by all submodules that were taken over."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import Tensor

from dropbench.models.found.place import Place
from dropbench.sites import Kind
from dropbench.sites.noise import Noise


@dataclass(frozen=True)
class Heard:
    """A call of a taken submodule in a trial forward pass.

    by, call: the submodule, and the number of its call, from 1. channels_first: whether the layer before puts its channels
    first. probabilities: whether x sums to one along its last axis, as attention weights do. follows: the activation
    function before it.
    """

    by: Taken
    call: int
    shape: tuple[int, ...]
    channels_first: bool
    probabilities: bool
    follows: str | None
    given: Tensor
    """The output of the call, by which a layer that reads it is recognised."""


class Current:
    """The current noise, and the places at which it acts in a module.

    Outside of a forward pass there is no noise. While `heard` is a list, it collects the calls and no noise acts.
    """

    def __init__(self) -> None:
        self.places = {}
        self.heard: list[Heard] | None = None
        self.channels_first: int | None = 4
        """In a trial pass: the number of axes of tensors whose channels come first, from the output of an earlier layer."""
        self.channels: int | None = None
        """The number of that layer's channels, by which their axis is found if it has been moved."""
        self.examples = 0
        """The number of examples in a trial pass."""
        self.words: Tensor | None = None
        """The word numbers of a trial pass, [B, T] int64, if there are any."""
        self.made: dict[int, str] = {}
        """In a trial pass: the names of the activations that produced tensors, by the tensors' `id`."""
        self.noise: Noise | None = None
        self._calls: Counter[str] = Counter()

    @property
    def places(self) -> dict[tuple[str, int], Place]:
        """The places by submodule and call."""
        return self._places

    @places.setter
    def places(self, places: dict[tuple[str, int], Place]) -> None:
        self._places = places
        self.first = {name: place for (name, _), place in reversed(places.items())}
        """For each submodule the place that is reached first."""

    @contextmanager
    def of(self, noise: Noise | None) -> Iterator[None]:
        """Context manager that sets the noise for one forward pass."""
        self.noise = noise
        self._calls.clear()
        try:
            yield
        finally:
            self.noise = None

    def next_call(self, name: str) -> int:
        """Returns the number of this call of a submodule in the current forward pass, from 1."""
        self._calls[name] += 1
        return self._calls[name]


@dataclass(frozen=True)
class Taken:
    """A submodule that was taken over: its name, its kind of site, and its own rate.

    A submodule that is called several times in a forward pass is several sites: `drop`, `drop@2`, ...
    """

    current: Current
    name: str
    kind: Kind
    own: float | None = None
    layer: type[torch.nn.Module] | None = None
    """The layer of torch's whose dropout the submodule's own is."""
    channels_last: bool = False
    """Whether features are always last, independent of the layer before."""

    @property
    def possible(self) -> bool:
        """Whether these runs can have noise here: see `Noise.possible`. Always true in a trial pass."""
        current = self.current
        if current.heard is not None:
            return True
        place = current.first.get(self.name)
        return place is not None and current.noise is not None and current.noise.possible(place.site.name)

    def act(self, x: Tensor, training: bool) -> Tensor:
        """Returns x after the noise of this call."""
        current = self.current
        call = current.next_call(self.name)
        if current.heard is not None:
            return self._listen(x, call)
        place = self._place(call, training)
        return x if place is None or current.noise is None else place.act(current.noise, x)

    def affine(self, x: Tensor, weight: Tensor, bias: Tensor | None, training: bool) -> Tensor:
        """Returns x [B, I] · weightᵀ [O, I] + bias [O] under the noise of a weight site."""
        current = self.current
        call = current.next_call(self.name)
        if current.heard is not None:
            if len(x) == current.examples:  # not if there are several rows per example
                self._listen(weight, call)
            return torch.nn.functional.linear(x, weight, bias)
        place = self._place(call, training)
        if place is None or current.noise is None:
            return torch.nn.functional.linear(x, weight, bias)
        offset = weight.new_zeros(len(weight)) if bias is None else bias
        return current.noise.affine(place.site.name, x, weight.t(), offset, lambda z: z)

    def embed(self, ids: Tensor, weight: Tensor, padding: int | None, training: bool) -> Tensor:
        """Looks up rows of `weight` [V, F] for words [B, T] under the noise of a token site; row `padding` gets no gradient."""
        current = self.current
        call = current.next_call(self.name)
        if current.heard is not None and current.words is not None and torch.equal(ids, current.words):
            self._listen(weight, call)  # not for a table of positions or the like
        place = self._place(call, training)
        if place is None or current.noise is None:
            return torch.nn.functional.embedding(ids, weight, padding)
        rows = current.noise.embed(place.site.name, ids, weight)
        return rows if padding is None else torch.where((ids == padding)[..., None], rows.detach(), rows)

    def _place(self, call: int, training: bool) -> Place | None:
        place = self.current.places.get((self.name, call))
        if place is None and training and call > 1 and (self.name, 1) in self.current.places:
            raise RuntimeError(
                f"{self.name} is called more often in training than when the model was tried, so its call {call} "
                "has no site"
            )
        return place

    def _listen(self, x: Tensor, call: int) -> Tensor:
        current = self.current
        assert current.heard is not None
        given = x.clone()
        ones = x.ndim > 2 and bool((x >= 0).all()) and bool(((x.sum(-1) - 1).abs() < 1e-3).all())
        follows = current.made.get(id(x))
        first = self._channels_first(x)
        current.heard.append(Heard(self, call, tuple(x.shape), first, ones, follows, given))
        return given

    def _channels_first(self, x: Tensor) -> bool:
        if self.channels_last or x.ndim < 3:
            return False
        current = self.current
        ends = [n == current.channels for n in (x.shape[1], x.shape[-1])]
        return ends[0] if ends[0] != ends[1] else x.ndim == current.channels_first

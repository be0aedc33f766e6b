"""The noise of the forward that is going on: what the parts of a module that were taken over have in common."""

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
    """A call of a taken part in a dry forward.

    by, call: the part, and which of its calls it was, from 1. channels_first: where the layer before puts its channels.
    probabilities: whether x sums to one along its last axis, as attention weights do. follows: the function before it.
    """

    by: Taken
    call: int
    shape: tuple[int, ...]
    channels_first: bool
    probabilities: bool
    follows: str | None
    given: Tensor
    """What is handed on, by which it is known again where a layer reads it."""


class Current:
    """Noise, and the places at which a module meets it.

    Outside of a forward there is no noise. While `heard` is a list, calls are kept in it and nothing acts.
    """

    def __init__(self) -> None:
        self.places = {}
        self.heard: list[Heard] | None = None
        self.channels_first: int | None = 4
        """Of how many axes a tensor of a dry forward is whose channels come first: what a layer before gave says so."""
        self.channels: int | None = None
        """How many that layer had, by which they are found where they have been moved since."""
        self.examples = 0
        """How many there are in a dry forward."""
        self.words: Tensor | None = None
        """The word numbers of a dry forward, [B, T] int64, where there are any."""
        self.made: dict[int, str] = {}
        """Names of the functions that tensors came out of, by their identity; of a dry forward."""
        self.noise: Noise | None = None
        self._calls: Counter[str] = Counter()

    @property
    def places(self) -> dict[tuple[str, int], Place]:
        """By part and call."""
        return self._places

    @places.setter
    def places(self, places: dict[tuple[str, int], Place]) -> None:
        self._places = places
        self.first = {name: place for (name, _), place in reversed(places.items())}
        """Of each part the place that is come to first."""

    @contextmanager
    def of(self, noise: Noise | None) -> Iterator[None]:
        """For one forward."""
        self.noise = noise
        self._calls.clear()
        try:
            yield
        finally:
            self.noise = None

    def next_call(self, name: str) -> int:
        """Which call of a part this is in the forward that is going on, from 1."""
        self._calls[name] += 1
        return self._calls[name]


@dataclass(frozen=True)
class Taken:
    """A part that was taken over: its name, what it is to a variant, and the rate that it had itself.

    A part that is called several times in a forward is several sites: `drop`, `drop@2`, ...
    """

    current: Current
    name: str
    kind: Kind
    own: float | None = None
    channels_last: bool = False
    """Whether features come last whatever the layer before does."""

    @property
    def possible(self) -> bool:
        """Whether these runs may have noise here: see `Noise.possible`. In a dry forward there may be."""
        current = self.current
        if current.heard is not None:
            return True
        place = current.first.get(self.name)
        return place is not None and current.noise is not None and current.noise.possible(place.site.name)

    def act(self, x: Tensor, training: bool) -> Tensor:
        """`x` after the noise of this call."""
        current = self.current
        call = current.next_call(self.name)
        if current.heard is not None:
            return self._listen(x, call)
        place = self._place(call, training)
        return x if place is None or current.noise is None else place.act(current.noise, x)

    def affine(self, x: Tensor, weight: Tensor, bias: Tensor | None, training: bool) -> Tensor:
        """X [B, I] · weightᵀ [O, I] + bias [O] under the noise of a weight site."""
        current = self.current
        call = current.next_call(self.name)
        if current.heard is not None:
            if len(x) == current.examples:  # and not several rows an example, for which noise of an example is none
                self._listen(weight, call)
            return torch.nn.functional.linear(x, weight, bias)
        place = self._place(call, training)
        if place is None or current.noise is None:
            return torch.nn.functional.linear(x, weight, bias)
        offset = weight.new_zeros(len(weight)) if bias is None else bias
        return current.noise.affine(place.site.name, x, weight.t(), offset, lambda z: z)

    def embed(self, ids: Tensor, weight: Tensor, padding: int | None, training: bool) -> Tensor:
        """Rows of `weight` [V, F] for words [B, T] under the noise of a token site; the row `padding` learns nothing."""
        current = self.current
        call = current.next_call(self.name)
        if current.heard is not None and current.words is not None and torch.equal(ids, current.words):
            self._listen(weight, call)  # and not for positions or the like, of which a sentence has each once
        place = self._place(call, training)
        if place is None or current.noise is None:
            return torch.nn.functional.embedding(ids, weight, padding)
        rows = current.noise.embed(place.site.name, ids, weight)
        return rows if padding is None else torch.where((ids == padding)[..., None], rows.detach(), rows)

    def _place(self, call: int, training: bool) -> Place | None:
        place = self.current.places.get((self.name, call))
        if place is None and training and call > 1 and (self.name, 1) in self.current.places:
            raise RuntimeError(
                f"{self.name} is called more often in training than when the model was tried, so that its {call}th call "
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

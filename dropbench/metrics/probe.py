"""What a probe is given: a measurement that needs more than logits.

A probe is a function of (network, part) with options, whose first parameter is called `network`; that tells it from a metric.
It is called once a run, on the chosen weights, with `train`, `val` and `test`, and gives {name: [K]}; a name is told in full
and has no dot, as in {"fgsm_10_accuracy": ...}. In place of a number a run may have a short row, [K, m]: it goes to the
record's arrays, for a figure. Where a probe does not apply it gives an empty mapping. Like a metric it must not know its stack:
each replica's number is the same to the last bit alone.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Protocol

from torch import Tensor


class Network(Protocol):
    """A trained stack of K classifiers, in evaluation mode."""

    @property
    def parameters(self) -> Sequence[Tensor]:
        """Those that are trained, each [K, ...]."""
        ...

    @property
    def passes(self) -> int:
        """How many noisy ones `eval.mode=mc` has asked for; 0 in any other mode."""
        ...

    def examples(self, part: str) -> Iterator[tuple[Tensor, Tensor]]:
        """x [K, B, *shape] and y [K, B] in pieces: normalised, so in standard deviations from the mean; or int64 to look up."""
        ...

    def logits(self, x: Tensor) -> Tensor:
        """[K, B, C] float32, noise off."""
        ...

    def activations(self, x: Tensor) -> dict[str, Tensor]:
        """What comes to each site behind a hidden layer, noise off: [K, n, units], n the examples times positions or steps."""
        ...

    def without(self, x: Tensor, site: str, unit: int) -> Tensor:
        """The logits with one unit of `activations` at zero, wherever it occurs, noise off."""
        ...

    def foreign(self, data: str, examples: int) -> Iterator[Tensor]:
        """x [K, B, *shape] of another data set in pieces, at most so many, evenly spaced; normalised like the run's own.

        It has to be one that the probe names in an option called `against`.
        """
        ...

    def noisy(self, stream: str) -> Callable[[Tensor], Tensor]:
        """The logits under fresh masks at each call, from a stream of that name; batch norm as in evaluation."""
        ...

    def uniforms(self, stream: str) -> Callable[[tuple[int, ...]], Tensor]:
        """[K, *shape] in [0, 1) of each run's own at each call; the same for all arms of a seed."""
        ...

    def normals(self, stream: str) -> Callable[[tuple[int, ...]], Tensor]:
        """The same with standard normals."""
        ...


def first(network: Network, part: str, examples: int) -> Iterator[tuple[Tensor, Tensor]]:
    """The first so many examples of a part, or all, in pieces. Parts are in random order, so any are as good."""
    for x, y in network.examples(part):
        yield x[:, :examples], y[:, :examples]
        examples -= y.shape[1]
        if examples <= 0:
            return

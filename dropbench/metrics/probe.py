"""What a probe is given: a measurement that needs more than logits.

A probe is a function of (network, part) with options, whose first parameter is called `network`; that tells it from a metric.
It is called once a run, on the chosen weights, with `train`, `val` and `test`, and gives {name: [K]}; a name is told in full
and has no dot, as in {"fgsm_10_accuracy": ...}. Where it does not apply it gives an empty mapping. Like a metric it must not
know its stack: each replica's number is the same to the last bit alone.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Protocol

from torch import Tensor


class Network(Protocol):
    """A trained stack of K classifiers, in evaluation mode."""

    @property
    def parameters(self) -> Sequence[Tensor]:
        """Each [K, ...]."""
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

    def noisy(self, stream: str) -> Callable[[Tensor], Tensor]:
        """The logits under fresh masks at each call, from a stream of that name; batch norm as in evaluation."""
        ...

    def uniforms(self, stream: str) -> Callable[[tuple[int, ...]], Tensor]:
        """[K, *shape] in [0, 1) of each run's own at each call; the same for all arms of a seed."""
        ...

"""Probes: measurements that need more than logits, and what they are given.

A probe is a function of (network, part) with options; that its first parameter is called `network` tells it from a metric.
After training it is called on the chosen weights, once for each of the parts `train`, `val` and `test`, and returns
{name: [K]}, one number for each of K replicas. Names are complete and have no dot, as in {"fgsm_10_accuracy": ...}. In place of
a number there may be a short row, [K, m], which goes to the record's `arrays`, for a figure. Where a probe does not apply it
returns an empty dictionary. As with a metric, each replica's number must be the same to the last bit alone and in any stack.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Protocol

from torch import Tensor


class Network(Protocol):
    """A trained stack of K classifiers, in evaluation mode."""

    @property
    def parameters(self) -> Sequence[Tensor]:
        """The trained parameters, [K, ...] each."""
        ...

    @property
    def passes(self) -> int:
        """The number of noisy passes that `eval.mode=mc` asks for; 0 in any other mode."""
        ...

    @property
    def kinds(self) -> Mapping[str, str]:
        """The kind of each site by its name, as in `dropbench.sites`, but for those where noise must be asked for."""
        ...

    @property
    def batch_norm(self) -> bool:
        """Whether the model has batch norm anywhere."""
        ...

    def examples(self, part: str) -> Iterator[tuple[Tensor, Tensor]]:
        """The examples x [K, B, *shape] and classes y [K, B] of a part, in pieces.

        x is normalised, so in standard deviations from the training mean; or it is int64 numbers to look up.
        """
        ...

    def logits(self, x: Tensor) -> Tensor:
        """The logits [K, B, C] float32 of examples x [K, B, *shape], noise off."""
        ...

    def activations(self, x: Tensor) -> dict[str, Tensor]:
        """The input of each site behind a hidden layer, by site, noise off: [K, n, units].

        n is the number of examples, times positions or steps where there are any.
        """
        ...

    def without(self, x: Tensor, site: str, unit: int) -> Tensor:
        """The logits with one unit of `activations` set to zero at all positions and steps, noise off."""
        ...

    def changed(self, change: Callable[[str, Tensor], Tensor], stream: str | None = None) -> Callable[[Tensor], Tensor]:
        """A function like `logits`, in which `change` of (site, what leaves it) is put in the place of what leaves a site.

        Parameters
        ----------
        change : Callable
            Of a site's name and its tensor [K, B, *site.shape]; edges and patches come as ones.
        stream : str, optional
            From which the noise is drawn, behind which it comes; None: the noise is off.
        """
        ...

    def by_batch(self, x: Tensor) -> Tensor:
        """The logits with batch norm on the statistics of these examples, noise off; at least two examples."""
        ...

    def statistics(self) -> Iterator[tuple[tuple[Tensor, Tensor], tuple[Tensor, Tensor]]]:
        """Of each batch norm its running mean and variance, and those of the training examples without noise; [K, C] each."""
        ...

    def foreign(self, data: str, examples: int) -> Iterator[Tensor]:
        """Examples x [K, B, *shape] of another data set in pieces, evenly spaced and normalised like the run's own.

        Parameters
        ----------
        data : str
            Name of the data set, which the probe must have in an option called `against`.
        examples : int
            How many at most.
        """
        ...

    def noisy(self, stream: str) -> Callable[[Tensor], Tensor]:
        """A function like `logits` with fresh masks at each call, from the stream `stream`; batch norm in evaluation mode."""
        ...

    def uniforms(self, stream: str) -> Callable[[tuple[int, ...]], Tensor]:
        """A function of a shape that draws uniform numbers in [0, 1), [K, *shape]; all arms of a seed get the same."""
        ...

    def normals(self, stream: str) -> Callable[[tuple[int, ...]], Tensor]:
        """A function like that of `uniforms` that draws standard normal numbers."""
        ...


def first(network: Network, part: str, examples: int) -> Iterator[tuple[Tensor, Tensor]]:
    """At most `examples` examples of a part in pieces, the first: parts are in random order, so any others are as good."""
    for x, y in network.examples(part):
        yield x[:, :examples], y[:, :examples]
        examples -= y.shape[1]
        if examples <= 0:
            return

"""Probes, which are measurements that need more than logits, and the network that they get.

A probe is a function of (network, part) with options. It differs from a metric in that its first parameter is called
`network`. After training it is called on the chosen weights, once for each of the splits `train`, `val` and `test`, and
returns {name: [K]}, one number for each of K replicas. Names are complete and have no dot, as in {"fgsm_10_accuracy": ...}.
In place of a number there may be a short row, [K, m], which goes to the record's `arrays`, for a figure. A probe that does
not apply returns an empty dictionary. As with a metric, each replica's number must be the same to the last bit, alone and in
any stack.
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
        """The kind of each site by its name, as in `dropbench.sites`, without sites at which noise acts only on request."""
        ...

    @property
    def batch_norm(self) -> bool:
        """Whether the model has batch norm anywhere."""
        ...

    def examples(self, part: str) -> Iterator[tuple[Tensor, Tensor]]:
        """Yields the examples x [K, B, *shape] and classes y [K, B] of a split, in pieces.

        x is normalised, that is in standard deviations from the training mean, or it holds int64 numbers to look up.
        """
        ...

    def logits(self, x: Tensor) -> Tensor:
        """Returns the logits [K, B, C] float32 of examples x [K, B, *shape], with the noise off."""
        ...

    def activations(self, x: Tensor) -> dict[str, Tensor]:
        """Returns the input of each site behind a hidden layer, by site, with the noise off: [K, n, units].

        n is the number of examples, times the number of positions or steps if there are any.
        """
        ...

    def without(self, x: Tensor, site: str, unit: int) -> Tensor:
        """Returns the logits with one unit of `activations` set to zero at all positions and steps, with the noise off."""
        ...

    def changed(self, change: Callable[[str, Tensor], Tensor], stream: str | None = None) -> Callable[[Tensor], Tensor]:
        """Returns a function like `logits` in which `change(site, h)` replaces the output h of each site.

        Parameters
        ----------
        change : Callable
            A function of a site's name and its tensor [K, B, *site.shape]; edges and patches are passed as ones.
        stream : str, optional
            The stream from which the noise is drawn; `change` acts after the noise. None: the noise is off.
        """
        ...

    def by_batch(self, x: Tensor) -> Tensor:
        """Returns the logits with batch norm using the statistics of these examples (at least two), with the noise off."""
        ...

    def statistics(self) -> Iterator[tuple[tuple[Tensor, Tensor], tuple[Tensor, Tensor]]]:
        """Yields each batch norm's running mean and variance, and those of the training examples without noise; [K, C] each."""
        ...

    def foreign(self, data: str, examples: int) -> Iterator[Tensor]:
        """Yields examples x [K, B, *shape] of another data set in pieces, evenly spaced and normalised like the run's own.

        Parameters
        ----------
        data : str
            Name of the data set. The probe's option `against` must contain it.
        examples : int
            The largest number of examples.
        """
        ...

    def noisy(self, stream: str) -> Callable[[Tensor], Tensor]:
        """Returns a function like `logits` with fresh masks from `stream` at each call; batch norm is in evaluation mode."""
        ...

    def uniforms(self, stream: str) -> Callable[[tuple[int, ...]], Tensor]:
        """Returns a function of a shape that draws uniform numbers in [0, 1), [K, *shape], the same for all arms of a seed."""
        ...

    def normals(self, stream: str) -> Callable[[tuple[int, ...]], Tensor]:
        """Returns a function like that of `uniforms` that draws standard normal numbers."""
        ...


def first(network: Network, part: str, examples: int) -> Iterator[tuple[Tensor, Tensor]]:
    """Yields the first `examples` examples of a split in pieces. Splits are in random order, so these are a random choice."""
    for x, y in network.examples(part):
        yield x[:, :examples], y[:, :examples]
        examples -= y.shape[1]
        if examples <= 0:
            return

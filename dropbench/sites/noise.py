"""The interface through which a model applies noise."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from torch import Tensor, nn


class Noise(Protocol):
    """The second argument of a model's `forward`, through which it applies noise without knowing the variant."""

    def __call__(self, site: str, x: Tensor) -> Tensor:
        """Returns x [K, B, *site.shape] after the noise of that site."""
        ...

    def affine(self, site: str, x: Tensor, weight: Tensor, bias: Tensor, then: Callable[[Tensor], Tensor]) -> Tensor:
        """Returns `then(x @ weight + bias)` under a weight site's noise; x [K, B, I], weight [K, I, O], bias [K, 1, O].

        `then` is what follows the linear map (normalisation, activation), since moment-matched inference averages its results.
        """
        ...

    def dense(self, site: str, x: Tensor, weight: Tensor, bias: Tensor, then: Callable[[Tensor], Tensor]) -> Tensor:
        """Returns a dense layer under the noise of the sites `site`.weight and `site`: `affine` followed by a call."""
        return self(site, self.affine(f"{site}.weight", x, weight, bias, then))

    def steps(self, site: str) -> Callable[[Tensor, int], Tensor] | None:
        """For a recurrent or candidate site: returns a function of (state [K, B, H], step), or None if no noise acts."""
        ...

    def transition(self, site: str) -> Callable[[Tensor, Tensor, int], Tensor] | None:
        """For a transition site: returns a function of (old state, new state, step), [K, B, H], or None if no noise acts."""
        ...

    def branch(self, site: str, branch: nn.Module, x: Tensor, *beside: Tensor) -> Tensor:
        """Returns `branch(x, noise, *beside)` under a branch site's noise.

        A branch that a replica drops for a whole batch is not computed. x is [K, B, ...], the result [K, B, *site.shape]. A
        dropped branch gives zeros. `beside` are further tensors [K, ...] that the branch needs, such as which steps are
        padding.
        """
        ...

    def embed(self, site: str, ids: Tensor, table: Tensor) -> Tensor:
        """Returns rows of `table` [K, V, F] for `ids` [K, B, T] under a token site's noise: [K, B, T, F]."""
        ...

    def acts(self, site: str) -> bool:
        """Returns whether noise acts there now. If not, a model may skip the site and compute faster."""
        ...

    def placed(self, site: str) -> bool:
        """Returns whether a variant is placed there, in training or evaluation; for sites that a model otherwise skips."""
        return False

    def possible(self, site: str) -> bool:
        """Returns whether these runs can have noise there at all, in training or in evaluation, at any rate.

        A layer that can be computed in two ways uses the same one for all of them, so that no run's bits depend on the others.
        """
        return True

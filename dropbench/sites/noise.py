"""What a model is handed beside its input."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from torch import Tensor, nn


class Noise(Protocol):
    """What a model is handed beside its input: the only way by which it meets a variant."""

    def __call__(self, site: str, x: Tensor) -> Tensor:
        """`x` [K, B, *site.shape] after the noise of that site."""
        ...

    def affine(self, site: str, x: Tensor, weight: Tensor, bias: Tensor, then: Callable[[Tensor], Tensor]) -> Tensor:
        """`then(x @ weight + bias)` under a weight site's noise; x [K, B, I], weight [K, I, O], bias [K, 1, O].

        `then` is what follows the product (normalisation, activation): moment-matched inference averages over it.
        """
        ...

    def dense(self, site: str, x: Tensor, weight: Tensor, bias: Tensor, then: Callable[[Tensor], Tensor]) -> Tensor:
        """A dense layer under the noise of the sites `site`.weight and `site`: `affine` and a call, in one."""
        return self(site, self.affine(f"{site}.weight", x, weight, bias, then))

    def steps(self, site: str) -> Callable[[Tensor, int], Tensor] | None:
        """For a recurrent or candidate site: a function of (state [K, B, H], step), or None where no noise acts."""
        ...

    def transition(self, site: str) -> Callable[[Tensor, Tensor, int], Tensor] | None:
        """For a transition site: a function of (old state, new state, step), [K, B, H], or None where no noise acts."""
        ...

    def branch(self, site: str, branch: nn.Module, x: Tensor, *beside: Tensor) -> Tensor:
        """`branch(x, noise, *beside)` under a branch site's noise.

        Where a replica drops it for a whole batch it is not computed.

        x [K, B, ...]; the result [K, B, *site.shape]. A dropped branch gives zeros. `beside` are what else the branch needs of
        each replica, [K, ...], such as which steps are padding.
        """
        ...

    def embed(self, site: str, ids: Tensor, table: Tensor) -> Tensor:
        """Rows of `table` [K, V, F] for `ids` [K, B, T] under a token site's noise: [K, B, T, F]."""
        ...

    def acts(self, site: str) -> bool:
        """Whether there will be noise there now: a model may go a faster way round a site where there is none."""
        ...

    def placed(self, site: str) -> bool:
        """Whether a variant is placed there, in training and in evaluation: of sites that a model passes by otherwise."""
        return False

    def possible(self, site: str) -> bool:
        """Whether these runs may have noise there at all, in training or in evaluation, whatever their rates.

        A layer that can be computed in two ways goes the same one in all of them, so that no run's bits depend on the others.
        """
        return True

"""NEFTune: uniform noise on embedded words (Jain et al. 2024)."""

from __future__ import annotations

from typing import Annotated, ClassVar

from annotated_types import Ge
from torch import Tensor
from typing_extensions import override

from dropbench.regularizers.base import Draws, Given, Regularizer, Slot, per_replica

SITE = "embedded"


class EmbeddingNoise(Regularizer):
    """Adds α / √(L d) · ε to embedded words of L steps and d features, with ε uniform in [-1, 1] for each number.

    Jain et al. 2024, "NEFTune: Noisy Embeddings Improve Instruction Finetuning", arXiv:2310.05914, algorithm 1. L counts
    padding, as in the authors' code.
    """

    slot: ClassVar[Slot] = "inputs"
    acts_at: ClassVar[tuple[str, ...]] = (SITE,)

    def __init__(self, *, alpha: Annotated[float, Ge(0)] = 5.0) -> None:
        """alpha: 5, 10 or 15 in the paper; 0 is none."""

    @override
    def supports(self, given: Given) -> str | None:
        if SITE in given.sites:
            return None
        return f"adds noise to embedded words, and this model has no site called {SITE}"

    @override
    def at_site(self, x: Tensor, strength: Tensor, draws: Draws) -> Tensor:
        steps, features = x.shape[2:]
        noise = 2 * draws.uniform(tuple(x.shape[1:])) - 1
        return x + (per_replica(strength / (steps * features) ** 0.5, noise) * noise).to(x.dtype)

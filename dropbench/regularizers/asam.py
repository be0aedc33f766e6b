"""Adaptive sharpness-aware minimisation (Kwon et al. 2021)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated

from annotated_types import Ge
from torch import Tensor
from typing_extensions import override

from dropbench.regularizers.base import per_replica
from dropbench.regularizers.sam import SAM, TINY, norm


class ASAM(SAM):
    """SAM in a neighbourhood that scales with each weight: takes the gradient at w + ρ T² g / ‖T g‖ with T = |w| + η.

    Kwon, Kim, Park & Choi 2021, "ASAM: Adaptive Sharpness-Aware Minimization for Scale-Invariant Learning of Deep Neural
    Networks", arXiv:2102.11600, algorithm 1 with element-wise T and p = 2. As in the authors' code, T is 1 for biases.
    """

    def __init__(self, *, rho: Annotated[float, Ge(0)] = 0.5, eta: Annotated[float, Ge(0)] = 0.01) -> None:
        """rho: the radius of the neighbourhood, about ten times that of SAM. eta: added to each weight's absolute value."""
        super().__init__(rho=rho)
        self._eta = eta

    @override
    def directions(self, weights: Mapping[str, Tensor]) -> list[Tensor]:
        given = {name: (w, w.grad) for name, w in weights.items() if w.grad is not None}
        scales = {name: w.abs() + self._eta for name, (w, _) in given.items() if "bias" not in name}
        scaled = {name: g * scales[name] if name in scales else g for name, (_, g) in given.items()}
        length = norm(list(scaled.values()))
        along = {name: g * scales[name] if name in scales else g for name, g in scaled.items()}
        return [g / (per_replica(length, g) + TINY) for g in along.values()]

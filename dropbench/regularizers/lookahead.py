"""Lookahead (Zhang et al. 2019)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, ClassVar

import torch
from annotated_types import Gt, Le
from torch import Tensor
from typing_extensions import override

from dropbench.regularizers.base import Regularizer, Slot, Tensors, per_replica


class Lookahead(Regularizer):
    """Every k updates, slow weights φ go a part of the way that the weights w went since: φ ← φ + α (w - φ), and w ← φ.

    Zhang, Lucas, Hinton & Ba 2019, "Lookahead Optimizer: k steps forward, 1 step back", arXiv:1907.08610, algorithm 1. What the
    optimizer remembers (momentum) stays as it is. Metrics are of w as it is at an epoch's end, which is φ where k divides the
    updates of an epoch. Slow weights start as the weights do.
    """

    slot: ClassVar[Slot] = "weights"
    by_share: ClassVar[bool] = False

    def __init__(self, *, alpha: Annotated[float, Gt(0), Le(1)] = 0.5, k: Annotated[int, Gt(0), Le(10**9)] = 5) -> None:
        """alpha: the part of the way; 1 is none of it. k: updates between two synchronisations."""
        self._k = k

    @override
    def state(self, tensors: Tensors) -> dict[str, Tensor]:
        any_one = next(iter(tensors.values()))
        return {**{name: w.clone() for name, w in tensors.items()}, _UPDATES: any_one.new_zeros(len(any_one))}

    @override
    def weights(self, tensors: Tensors, strength: Tensor, state: Mapping[str, Tensor], done: float) -> None:
        updates = state[_UPDATES]
        updates += 1
        if int(updates[0]) < self._k:
            return
        updates.zero_()
        for name, w in tensors.items():
            slow = state[name]
            # By lerp, which at 1 gives w to the last bit.
            slow.copy_(torch.lerp(slow, w, per_replica(strength, w)))
            w.copy_(slow)


_UPDATES = "updates since"

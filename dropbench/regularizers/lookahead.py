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
    """Every k updates, moves slow weights φ part of the way to the weights w, φ ← φ + α (w - φ), and sets w ← φ.

    Zhang, Lucas, Hinton & Ba 2019, "Lookahead Optimizer: k steps forward, 1 step back", arXiv:1907.08610, algorithm 1. The
    optimizer's state (momentum) is not changed. Metrics use w at the end of an epoch, which is φ if k divides the updates of
    an epoch. The slow weights start as a copy of the weights.
    """

    slot: ClassVar[Slot] = "weights"
    by_share: ClassVar[bool] = False

    def __init__(self, *, alpha: Annotated[float, Gt(0), Le(1)] = 0.5, k: Annotated[int, Gt(0), Le(10**9)] = 5) -> None:
        """alpha: α; 1 is the same as no lookahead. k: updates between two synchronisations."""
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
            # `lerp` gives exactly w at 1.
            slow.copy_(torch.lerp(slow, w, per_replica(strength, w)))
            w.copy_(slow)


_UPDATES = "updates since"

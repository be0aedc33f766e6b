"""Stochastic weight averaging (Izmailov et al. 2018)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, ClassVar

import torch
from annotated_types import Ge, Gt, Le
from torch import Tensor
from typing_extensions import override

from dropbench.regularizers.base import Regularizer, Slot, Tensors, per_replica, pieces


class SWA(Regularizer):
    """Evaluates the mean of the weights over the last share of training; before that, the weights themselves.

    Izmailov, Podoprikhin, Garipov, Vetrov & Wilson 2018, "Averaging Weights Leads to Wider Optima and Better
    Generalization", arXiv:1803.05407, algorithm 1. `every` is the cycle length c in updates; the authors use an epoch. The
    learning rate follows `train.schedule`; in the paper it is constant or cyclical over the last quarter. Batch norm's
    running statistics are computed again with the mean weights, over the training examples.
    """

    slot: ClassVar[Slot] = "average"
    renews_statistics: ClassVar[bool] = True

    def __init__(
        self, *, share: Annotated[float, Ge(0), Le(1)] = 0.25, every: Annotated[int, Gt(0), Le(10**9)] = 1
    ) -> None:
        """share: the share of training, counted from its end, that is averaged. every: updates between two averaged weights."""
        self._every = every

    @override
    def state(self, tensors: Tensors) -> dict[str, Tensor]:
        means = {name: t.new_zeros(t.shape) for name, t in tensors.items() if t.is_floating_point()}
        any_one = next(iter(means.values()))
        return {**means, _SEEN: any_one.new_zeros(len(any_one)), _AVERAGED: any_one.new_zeros(len(any_one))}

    @override
    def weights(self, tensors: Tensors, strength: Tensor, state: Mapping[str, Tensor], done: float) -> None:
        # A strength is float32, so there is a tolerance of 1e-6 for its rounding.
        inside = strength + done > 1 + 1e-6
        seen, averaged = state[_SEEN], state[_AVERAGED]
        seen += inside
        takes = inside & (seen.remainder(self._every) == 0)
        averaged += takes
        if takes.device.type == "cpu" and not takes.any():  # nothing would be added
            return
        share = takes / averaged.clamp(min=1)
        for name, mean in state.items():
            if name not in (_SEEN, _AVERAGED):
                for m, t, s in pieces(mean, tensors[name], share):
                    m.add_((t - m) * per_replica(s, m))

    @override
    def evaluated(self, tensors: Tensors, strength: Tensor, state: Mapping[str, Tensor]) -> dict[str, Tensor]:
        any_yet = state[_AVERAGED] > 0
        means = {name: mean for name, mean in state.items() if name not in (_SEEN, _AVERAGED)}
        return {name: torch.where(per_replica(any_yet, m), m, tensors[name]) for name, m in means.items()}


_SEEN, _AVERAGED = "updates in its share", "updates averaged"

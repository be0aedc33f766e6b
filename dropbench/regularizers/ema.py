"""Evaluates a moving average of the weights."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, ClassVar

from annotated_types import Ge, Lt
from torch import Tensor
from typing_extensions import override

from dropbench.regularizers.base import Regularizer, Slot, Tensors, per_replica, pieces


class EMA(Regularizer):
    """a ← d a + (1 - d) w after each update; metrics, early stopping and stored weights use a.

    Polyak & Juditsky 1992; in this form Tarvainen & Valpola 2017, arXiv:1703.01780. The average is over the weights after
    each update so far. It is corrected so that its coefficients sum to one (Kingma & Ba 2015, section 3), and can be
    evaluated from the first epoch on. Batch norm's running statistics are averaged like weights.
    """

    slot: ClassVar[Slot] = "average"
    by_share: ClassVar[bool] = False

    def __init__(self, *, decay: Annotated[float, Ge(0), Lt(1)] = 0.99) -> None:
        """decay: d, per update; 0.99 averages over about 100 updates."""

    @override
    def state(self, tensors: Tensors) -> dict[str, Tensor]:
        averages = {name: t.new_zeros(t.shape) for name, t in tensors.items() if t.is_floating_point()}
        any_one = next(iter(averages.values()))
        return {**averages, _WEIGHT: any_one.new_zeros(len(any_one))}

    @override
    def weights(self, tensors: Tensors, strength: Tensor, state: Mapping[str, Tensor], done: float) -> None:
        for name, average in state.items():
            if name == _WEIGHT:
                average.mul_(strength).add_(1 - strength)
            else:
                for a, t, s in pieces(average, tensors[name], strength):
                    d = per_replica(s, a)
                    a.mul_(d).add_((1 - d) * t)

    @override
    def evaluated(self, tensors: Tensors, strength: Tensor, state: Mapping[str, Tensor]) -> dict[str, Tensor]:
        share = state[_WEIGHT]
        averages = {name: average for name, average in state.items() if name != _WEIGHT}
        return {name: average / per_replica(share, average) for name, average in averages.items()}


_WEIGHT = "share of what is averaged"

"""A penalty on absolute and squared weights."""

from __future__ import annotations

from typing import Annotated, ClassVar

from annotated_types import Ge, Le
from torch import Tensor
from typing_extensions import override

from dropbench.regularizers.base import Draws, Regularizer, Slot, Step
from dropbench.regularizers.l1 import absolute
from dropbench.regularizers.l2 import squared


class ElasticNet(Regularizer):
    """loss + alpha (r Σ |w| + (1 - r) / 2 Σ w²), over the same weights as `l1` and `l2`.

    Zou & Hastie 2005, "Regularization and variable selection via the elastic net", JRSS B 67, with the parameters of
    scikit-learn's `ElasticNet`. scikit-learn halves the mean squared error and dropbench does not, so the same solution
    needs twice the alpha here.
    """

    slot: ClassVar[Slot] = "loss"

    def __init__(
        self, *, alpha: Annotated[float, Ge(0)] = 1e-4, l1_ratio: Annotated[float, Ge(0), Le(1)] = 0.5
    ) -> None:
        """alpha: weight of the penalty. l1_ratio: r, the share of the absolute values."""
        self._ratio = l1_ratio

    @override
    def loss(self, step: Step, loss: Tensor, strength: Tensor, draws: Draws) -> Tensor:
        return loss + strength * (self._ratio * absolute(step) + (1 - self._ratio) / 2 * squared(step))

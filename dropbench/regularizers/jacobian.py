"""How much the outputs change with the inputs (Hoffman et al. 2019)."""

from __future__ import annotations

from typing import Annotated, ClassVar

import torch
from annotated_types import Ge, Gt
from torch import Tensor
from typing_extensions import override

from dropbench.regularizers.base import Draws, Given, Regularizer, Slot, Step
from dropbench.regularizers.fgsm_training import no_numbers


class Jacobian(Regularizer):
    """loss + λ/2 ‖J‖², the mean over examples of the squared Frobenius norm of the derivatives of the outputs by the inputs.

    Hoffman, Roberts & Yaida 2019, "Robust Learning with Jacobian Regularization", arXiv:1908.02729, algorithm 1: the norm is
    estimated from the gradients of random projections of the outputs, without bias whatever their number. Outputs are logits;
    inputs are normalised. With batch norm an example's outputs depend on the others, which counts too.
    """

    slot: ClassVar[Slot] = "loss"
    inputs_need_gradient: ClassVar[bool] = True
    twice: ClassVar[bool] = True

    def __init__(self, *, alpha: Annotated[float, Ge(0)] = 0.01, projections: Annotated[int, Gt(0)] = 1) -> None:
        """alpha: λ; 0.01 there. projections: of each example's outputs, a pass back each; 1 there."""
        self._projections = projections

    @override
    def supports(self, given: Given) -> str | None:
        return no_numbers(given)

    @override
    def loss(self, step: Step, loss: Tensor, strength: Tensor, draws: Draws) -> Tensor:
        outputs = step.output.float().flatten(2)
        n, width = outputs.shape[1:]
        drawn = draws.normal((self._projections, n, width))
        directions = drawn / torch.linalg.vector_norm(drawn, dim=-1, keepdim=True)
        squares = [squared_gradient(outputs, step.batch.x, one) for one in directions.unbind(1)]
        return loss + strength / 2 * width * sum(squares[1:], squares[0]) / (n * self._projections)


def squared_gradient(outputs: Tensor, x: Tensor, direction: Tensor) -> Tensor:
    """The summed squares of the gradient of `direction` [K, B, C] times outputs by x [K, B, ...], of each replica: [K]."""
    (gradient,) = torch.autograd.grad(outputs, x, direction, create_graph=True)
    return gradient.square().flatten(1).sum(1)

"""A penalty on how much the outputs change with the inputs (Hoffman et al. 2019)."""

from __future__ import annotations

from typing import Annotated, ClassVar

import torch
from annotated_types import Ge, Gt
from torch import Tensor
from typing_extensions import override

from dropbench.regularizers.base import Draws, Given, Regularizer, Slot, Step
from dropbench.regularizers.fgsm_training import no_numbers


class Jacobian(Regularizer):
    """loss + λ/2 ‖J‖², with the squared Frobenius norm of the Jacobian of outputs by inputs, averaged over examples.

    Hoffman, Roberts & Yaida 2019, "Robust Learning with Jacobian Regularization", arXiv:1908.02729, algorithm 1: the norm is
    estimated from the gradients of random projections of the outputs. The estimate is unbiased for any number of
    projections. Outputs are logits; inputs are normalised. With batch norm an example's outputs also depend on the other
    examples, and these derivatives are included.
    """

    slot: ClassVar[Slot] = "loss"
    inputs_need_gradient: ClassVar[bool] = True
    twice: ClassVar[bool] = True

    def __init__(self, *, alpha: Annotated[float, Ge(0)] = 0.01, projections: Annotated[int, Gt(0)] = 1) -> None:
        """alpha: λ, in the paper 0.01. projections: projections per example, each with a backward pass; in the paper 1."""
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
    """Returns ‖∇ₓ (direction · outputs)‖² per replica, [K]; direction and outputs are [K, B, C], x is [K, B, ...]."""
    (gradient,) = torch.autograd.grad(outputs, x, direction, create_graph=True)
    return gradient.square().flatten(1).sum(1)

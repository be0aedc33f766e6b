"""A penalty on confident predictions (Pereyra et al. 2017)."""

from __future__ import annotations

from typing import Annotated, ClassVar

from annotated_types import Ge
from torch import Tensor
from typing_extensions import override

from dropbench.regularizers.base import Draws, Given, Regularizer, Slot, Step


class ConfidencePenalty(Regularizer):
    """loss - β H(p), with H the mean entropy in nats of the prediction for each example or word.

    Pereyra, Tucker, Chorowski, Kaiser & Hinton 2017, "Regularizing Neural Networks by Penalizing Confident Output
    Distributions", arXiv:1701.06548, equation 4. Up to a constant the penalty is β KL(p ‖ uniform), whereas
    `train.label_smoothing` adds KL(uniform ‖ p).
    """

    slot: ClassVar[Slot] = "loss"

    def __init__(self, *, beta: Annotated[float, Ge(0)] = 0.1) -> None:
        """beta: β, in the paper 0.1 to 1 for classification."""

    @override
    def supports(self, given: Given) -> str | None:
        return no_distribution(given)

    @override
    def loss(self, step: Step, loss: Tensor, strength: Tensor, draws: Draws) -> Tensor:
        logits = step.output.float().flatten(1, -2)
        entropy = -(logits.softmax(-1) * logits.log_softmax(-1)).sum(-1)
        return loss - strength * entropy.mean(1)


def no_distribution(given: Given) -> str | None:
    """Returns why the model predicts no probabilities, as the end of a sentence, or None if it does."""
    predicted = given.task in ("classify", "predict_next")
    return None if predicted else "needs predicted probabilities of classes or words, and this model predicts none"

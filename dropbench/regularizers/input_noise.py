"""Gaussian noise on the inputs."""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated, ClassVar

from annotated_types import Ge
from torch import Tensor
from typing_extensions import override

from dropbench.data.batch import Batch
from dropbench.regularizers.base import Draws, Given, Regularizer, Slot, per_replica


class InputNoise(Regularizer):
    """Adds noise from N(0, σ²) to the inputs in training, drawn anew at every update.

    Sietsma & Dow 1991, Neural Networks 4; Bishop 1995, "Training with Noise is Equivalent to Tikhonov Regularization",
    Neural Computation 7: for a linear model with the mean squared error it equals `l2` with alpha = σ², in expectation. The
    target of an autoencoder is the input without the noise, which makes it a denoising autoencoder (Vincent et al. 2008).
    """

    slot: ClassVar[Slot] = "inputs"

    def __init__(self, *, sigma: Annotated[float, Ge(0)] = 0.1) -> None:
        """sigma: σ in standard deviations of the normalised input."""

    @override
    def supports(self, given: Given) -> str | None:
        return (
            None if given.numbers else "adds noise to inputs that are numbers, and these are words or nodes to look up"
        )

    @override
    def examples(self, batch: Batch, strength: Tensor, draws: Draws, given: Given) -> Batch:
        noise = draws.normal(tuple(batch.x.shape[1:]))
        return replace(batch, x=batch.x + per_replica(strength, batch.x) * noise)

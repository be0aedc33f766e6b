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
    """x + N(0, σ²) in place of x in training, new at every update.

    Sietsma & Dow 1991, Neural Networks 4; Bishop 1995, "Training with Noise is Equivalent to Tikhonov Regularization", Neural
    Computation 7: of a linear model under the mean squared error it is `l2` with alpha = σ², in expectation. An autoencoder is
    asked for the input without the noise, which makes it a denoising one (Vincent et al. 2008).
    """

    slot: ClassVar[Slot] = "inputs"

    def __init__(self, *, sigma: Annotated[float, Ge(0)] = 0.1) -> None:
        """sigma: σ in standard deviations of the normalised input."""

    @override
    def supports(self, given: Given) -> str | None:
        return None if given.numbers else "adds to inputs that are numbers, and these are words or nodes to look up"

    @override
    def examples(self, batch: Batch, strength: Tensor, draws: Draws, given: Given) -> Batch:
        noise = draws.normal(tuple(batch.x.shape[1:]))
        return replace(batch, x=batch.x + per_replica(strength, batch.x) * noise)

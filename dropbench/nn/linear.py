"""The fully connected layer."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from dropbench.nn.init import Draw, fan_in_uniform
from dropbench.nn.pace import Pace
from dropbench.nn.product import affine


class Linear(nn.Module):
    """K linear maps of the last axis: x [K, ..., I] to [K, ..., O].

    Weights are [K, I, O], the transpose of torch's, so that a batched product needs no transposing.

    Parameters
    ----------
    replicas, inputs, outputs : int
        K, I and O.
    gain : float
        Factor of the initial weights' standard deviation: see `activation.gain`.
    """

    def __init__(self, replicas: int, inputs: int, outputs: int, gain: float = 1.0) -> None:
        super().__init__()
        self.gain = gain
        self.weight = nn.Parameter(torch.empty(replicas, inputs, outputs))
        self.bias = nn.Parameter(torch.empty(replicas, 1, outputs))
        self.incoming = {"weight": (1,)}
        self.paces: dict[str, Pace] = {}

    @torch.no_grad()
    def reset(self, draw: Draw) -> None:
        """Draws the initial weights and sets the bias to zero."""
        inputs, outputs = self.weight.shape[1:]
        self.weight.copy_(fan_in_uniform(draw, (inputs, outputs), inputs, self.gain))
        self.bias.zero_()

    def forward(self, x: Tensor) -> Tensor:
        """Maps x [K, ..., I] to [K, ..., O]."""
        if x.ndim == 3:
            return affine(x, self.weight, self.bias)
        out: Tensor = affine(x.flatten(1, -2), self.weight, self.bias).unflatten(1, x.shape[1:-1])
        return out

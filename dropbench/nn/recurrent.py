"""Recurrent layers: vanilla, LSTM and GRU, over [K, B, T, I], with a place for noise on the hidden-to-hidden path."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

import torch
from torch import Tensor, nn

from dropbench.nn.init import Draw, fan_in_uniform, orthogonal

Cell = Literal["vanilla", "lstm", "gru"]
Steps = Callable[[Tensor, int], Tensor]
_GATES = {"vanilla": 1, "lstm": 4, "gru": 3}


class Recurrent(nn.Module):
    """K recurrent layers of one kind, from a zero state: x [K, B, T, I] to the hidden states [K, B, T, H].

    vanilla: Elman 1990 with tanh. lstm: Gers et al. 2000, gates in torch's order i, f, g, o. gru: Cho et al. 2014 in the
    form that torch and cuDNN compute, reset gate after the product, gates r, z, n.

    Input weights start at variance 1/I, hidden-to-hidden ones orthogonal a gate, biases at zero but for the LSTM's forget
    gate, which starts open at one (Jozefowicz et al. 2015).
    """

    def __init__(self, replicas: int, inputs: int, hidden: int, cell: Cell) -> None:
        super().__init__()
        gates = _GATES[cell] * hidden
        self.cell = cell
        self.hidden = hidden
        self.weight_input = nn.Parameter(torch.empty(replicas, inputs, gates))
        self.weight_hidden = nn.Parameter(torch.empty(replicas, hidden, gates))
        self.bias_input = nn.Parameter(torch.empty(replicas, 1, gates))
        self.bias_hidden = nn.Parameter(torch.empty(replicas, 1, gates))
        self.incoming = {"weight_input": (1,), "weight_hidden": (1,)}

    @torch.no_grad()
    def reset(self, draw: Draw) -> None:
        inputs, gates = self.weight_input.shape[1:]
        self.weight_input.copy_(fan_in_uniform(draw, (inputs, gates), inputs, 1.0))
        self.weight_hidden.copy_(orthogonal(draw, self.hidden, _GATES[self.cell]))
        self.bias_input.zero_()
        self.bias_hidden.zero_()
        if self.cell == "lstm":
            self.bias_input[..., self.hidden : 2 * self.hidden] = 1

    def forward(self, x: Tensor, noise: Steps | None = None) -> Tensor:
        """`noise(state [K, B, H], step)` acts on the hidden state before each hidden-to-hidden product."""
        k, b, steps, _ = x.shape
        # The input's product needs no state, so all steps are done at once, in an order that makes each step contiguous.
        flat = x.transpose(1, 2).reshape(k, steps * b, -1)
        inputs = torch.baddbmm(self.bias_input, flat, self.weight_input).view(k, steps, b, -1).unbind(1)
        state = x.new_zeros(k, b, self.hidden)
        memory = torch.zeros_like(state)
        outputs = []
        for t, gates in enumerate(inputs):
            seen = state if noise is None else noise(state, t)
            recurrent = torch.baddbmm(self.bias_hidden, seen, self.weight_hidden)
            if self.cell == "vanilla":
                state = torch.tanh(gates + recurrent)
            elif self.cell == "lstm":
                i, f, g, o = (gates + recurrent).chunk(4, -1)
                memory = torch.sigmoid(f) * memory + torch.sigmoid(i) * torch.tanh(g)
                state = torch.sigmoid(o) * torch.tanh(memory)
            else:
                n, hn = gates[..., 2 * self.hidden :], recurrent[..., 2 * self.hidden :]
                # Added before they are divided, which also keeps the sigmoids' arguments apart from replica to replica: see
                # `nn.activation.one_by_one`.
                r, z = (gates[..., : 2 * self.hidden] + recurrent[..., : 2 * self.hidden]).chunk(2, -1)
                update = torch.sigmoid(z)
                candidate = torch.tanh(n + torch.sigmoid(r) * hn)
                state = candidate + update * (state - candidate)
            outputs.append(state)
        return torch.stack(outputs, dim=2)

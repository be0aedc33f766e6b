"""Recurrent layers: vanilla, LSTM and GRU, over [K, B, T, I], with places for noise inside the cell."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn

from dropbench.nn.init import Draw, fan_in_uniform, orthogonal

Cell = Literal["vanilla", "lstm", "gru"]
Steps = Callable[[Tensor, int], Tensor]
"""A function of (tensor [K, B, H], step)."""
Mix = Callable[[Tensor, Tensor, int], Tensor]
"""A function of (old state, new state, step), [K, B, H] each."""
State = tuple[Tensor, Tensor]
"""The hidden state and the LSTM's cell, [K, B, H] each; other cells leave the second as it was."""
GATES = {"vanilla": 1, "lstm": 4, "gru": 3}


@dataclass(frozen=True, slots=True)
class CellNoise:
    """What acts inside a layer, at each step; None where nothing does."""

    state: Steps | None = None
    """On the hidden state before the hidden-to-hidden product; the state that is carried is left alone."""
    candidate: Steps | None = None
    """On what an LSTM (its g) or a GRU (its n) would add to its state."""
    hidden: Mix | None = None
    """Between the old hidden state and the new: what the step puts out and carries on."""
    cell: Mix | None = None
    """Between the LSTM's old cell and the new. This step's output is that of the new one: see `forward`."""


_SILENT = CellNoise()


class Recurrent(nn.Module):
    """K recurrent layers of one kind: x [K, B, T, I] to the hidden states [K, B, T, H], and the state after the last.

    vanilla: Elman 1990 with tanh. lstm: Gers et al. 2000, gates in torch's order i, f, g, o. gru: Cho et al. 2014 in the
    form that torch and cuDNN compute, reset gate after the product, gates r, z, n.

    Input weights start at variance 1/I, hidden-to-hidden ones orthogonal a gate, biases at zero but for the LSTM's forget
    gate, which starts open at one (Jozefowicz et al. 2015).
    """

    def __init__(self, replicas: int, inputs: int, hidden: int, cell: Cell) -> None:
        super().__init__()
        gates = GATES[cell] * hidden
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
        self.weight_hidden.copy_(orthogonal(draw, self.hidden, GATES[self.cell]))
        self.bias_input.zero_()
        self.bias_hidden.zero_()
        if self.cell == "lstm":
            self.bias_input[..., self.hidden : 2 * self.hidden] = 1

    def forward(
        self,
        x: Tensor,
        noise: CellNoise = _SILENT,
        *,
        start: State | None = None,
        weight_hidden: Tensor | None = None,
    ) -> tuple[Tensor, State]:
        """From the state `start` (None: zeros); `weight_hidden` [K, H, gates·H] stands in for the layer's own.

        Where noise acts between an LSTM's old and new cell, h_t is made of the new cell, f c_{t-1} + i g, before that noise,
        as Krueger et al. 2017 have it.
        """
        k, b, steps, _ = x.shape
        # The input's product needs no state, so all steps are done at once, in an order that makes each step contiguous.
        flat = x.transpose(1, 2).reshape(k, steps * b, -1)
        inputs = torch.baddbmm(self.bias_input, flat, self.weight_input).view(k, steps, b, -1).unbind(1)
        weight = self.weight_hidden if weight_hidden is None else weight_hidden
        state, memory = start if start is not None else (x.new_zeros(k, b, self.hidden),) * 2
        outputs = []
        for t, gates in enumerate(inputs):
            seen = state if noise.state is None else noise.state(state, t)
            recurrent = torch.baddbmm(self.bias_hidden, seen, weight)
            if self.cell == "vanilla":
                new = torch.tanh(gates + recurrent)
            elif self.cell == "lstm":
                i, f, g, o = (gates + recurrent).chunk(4, -1)
                candidate = torch.tanh(g)
                if noise.candidate is not None:
                    candidate = noise.candidate(candidate, t)
                new_memory = torch.sigmoid(f) * memory + torch.sigmoid(i) * candidate
                new = torch.sigmoid(o) * torch.tanh(new_memory)
                memory = new_memory if noise.cell is None else noise.cell(memory, new_memory, t)
            else:
                n, hn = gates[..., 2 * self.hidden :], recurrent[..., 2 * self.hidden :]
                # Added before they are divided, which also keeps the sigmoids' arguments apart from replica to replica: see
                # `nn.activation.one_by_one`.
                r, z = (gates[..., : 2 * self.hidden] + recurrent[..., : 2 * self.hidden]).chunk(2, -1)
                update = torch.sigmoid(z)
                candidate = torch.tanh(n + torch.sigmoid(r) * hn)
                if noise.candidate is not None:
                    candidate = noise.candidate(candidate, t)
                new = candidate + update * (state - candidate)
            state = new if noise.hidden is None else noise.hidden(state, new, t)
            outputs.append(state)
        return torch.stack(outputs, dim=2), (state, memory)

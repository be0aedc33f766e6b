"""Recurrent layers (vanilla, LSTM and GRU) over [K, B, T, I], with optional noise inside the cell."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn

from dropbench.nn import bptt
from dropbench.nn.init import Draw, fan_in_uniform, orthogonal
from dropbench.nn.product import affine
from dropbench.nn.twice import plain

Cell = Literal["vanilla", "lstm", "gru"]
Steps = Callable[[Tensor, int], Tensor]
"""A function of (tensor [K, B, H], step)."""
Mix = Callable[[Tensor, Tensor, int], Tensor]
"""A function of (old state, new state, step), [K, B, H] each."""
State = tuple[Tensor, Tensor]
"""The hidden state and the LSTM's cell, [K, B, H] each; other layers do not change the second."""
GATES = {"vanilla": 1, "lstm": 4, "gru": 3}
"""The number of blocks of H columns in a layer's weights."""


class Factor:
    """Noise that multiplies by factors. Unlike other noise, it can return the factors of all steps at once.

    Parameters
    ----------
    draw : callable
        Returns the factors of a sequence from its first state [K, B, H]: [K, B, T, H], or [K, B, 1, H] for the same at all
        steps.
    acts : sequence of bool
        Whether each replica has noise; without noise all its factors are 1.
    """

    def __init__(self, draw: Callable[[Tensor], Tensor], acts: Sequence[bool]) -> None:
        self._draw = draw
        self._drawn: Tensor | None = None
        self.acts = acts

    def over(self, state: Tensor) -> Tensor:
        """Returns the factors of the whole sequence, [K, B, T or 1, H], which are drawn at the first call."""
        if self._drawn is None:
            self._drawn = self._draw(state)
        return self._drawn

    def at(self, state: Tensor, step: int) -> Tensor:
        """Returns the factors of one step, [K, B, H]."""
        factors = self.over(state)
        return factors[:, :, step % factors.shape[2]]


class Times(Factor):
    """Multiplies the state by a factor; it is a function of type `Steps`."""

    def __call__(self, state: Tensor, step: int) -> Tensor:
        """Returns the state [K, B, H] after noise."""
        return state * self.at(state, step)


class Between(Factor):
    """Mixes the old and the new state by a factor m, m new + (1 - m) old; it is a function of type `Mix`."""

    def __call__(self, old: Tensor, new: Tensor, step: int) -> Tensor:
        """Returns the mixture, [K, B, H]."""
        factor = self.at(new, step)
        return factor * new + (1 - factor) * old


@dataclass(frozen=True, slots=True)
class CellNoise:
    """The noise inside a layer, which acts at each step; None for no noise."""

    state: Steps | None = None
    """Acts on the hidden state that goes into the hidden-to-hidden product. The state that is carried on is not changed."""
    candidate: Steps | None = None
    """Acts on the candidate (an LSTM's g or a GRU's n) before it is added to the state."""
    hidden: Mix | None = None
    """Mixes the old and the new hidden state. The mixture is both the output of the step and the state that is carried on."""
    cell: Mix | None = None
    """Mixes the LSTM's old and new cell for the next step. The output of this step uses the new cell only."""


_SILENT = CellNoise()


class Recurrent(nn.Module):
    """K recurrent layers of one kind: x [K, B, T, I] to the hidden states [K, B, T, H], and the state after the last step.

    Initial input weights have variance 1/I, the hidden-to-hidden weights of each gate are orthogonal, and biases are zero.
    Only the LSTM's forget gate has a bias of one, so that it starts open (Jozefowicz et al. 2015).

    The same layer can be computed in three ways. On a CPU, an LSTM without noise inside uses torch's fused kernel, one
    replica at a time, unless it is very small. Any other LSTM, and every GRU, uses nn/bptt.py if its noise only multiplies.
    Everything else is computed step by step with autograd, and so are layers that will be differentiated twice.

    Parameters
    ----------
    replicas, inputs, hidden : int
        K, I and H.
    cell : {"vanilla", "lstm", "gru"}
        vanilla: h = tanh(x W + h U + b). lstm: gates in torch's order i, f, g, o. gru: gates r, z, n in the form that torch
        and cuDNN compute, with the reset gate applied after the product.

    References
    ----------
    vanilla: Elman 1990. lstm: Gers et al. 2000. gru: Cho et al. 2014 (arXiv:1406.1078).
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
        """Draws the initial weights and sets the biases."""
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
        """Maps x [K, B, T, I] to the hidden states [K, B, T, H] and the state after the last step, [K, B, H] each.

        If noise mixes an LSTM's old and new cell, h_t is computed from the new cell, f c_{t-1} + i g, before that noise
        (Krueger et al. 2017, arXiv:1606.01305). Everything is computed in the weights' type, even under autocast, because
        rounding errors would add up over the steps.

        Parameters
        ----------
        noise : CellNoise
            The noise inside the cell.
        start : (Tensor, Tensor), optional
            Hidden state and cell before the first step, [K, B, H] each; zeros if not given.
        weight_hidden : Tensor, optional
            [K, H, gates · H], used in place of the layer's own hidden-to-hidden weights.
        """
        with torch.autocast(x.device.type, enabled=False):
            kind = self.weight_hidden.dtype
            x, weight = x.to(kind), (self.weight_hidden if weight_hidden is None else weight_hidden).to(kind)
            zeros = x.new_zeros(x.shape[0], x.shape[1], self.hidden)
            return self._forward(x, noise, start or (zeros, zeros), weight)

    def _forward(self, x: Tensor, noise: CellNoise, start: State, weight: Tensor) -> tuple[Tensor, State]:
        acting: list[object] = [n for n in (noise.state, noise.candidate, noise.hidden, noise.cell) if n is not None]
        factors = [n for n in acting if isinstance(n, Factor)]
        if self.cell == "vanilla" or len(factors) < len(acting) or plain():
            return self._step_by_step(x, noise, start, weight)
        if self.cell == "gru" or not _torchs_own_is_faster(x, weight):
            return self._by_hand(x, noise, start, weight)
        # How a replica is computed must not depend on the others in the stack, so replicas without noise are computed
        # separately.
        noisy = [k for k in range(len(x)) if any(factor.acts[k] for factor in factors)]
        if len(noisy) == len(x):
            return self._by_hand(x, noise, start, weight)
        if not noisy:
            return self._by_torch(x, start, weight, range(len(x)))
        silent = [k for k in range(len(x)) if k not in noisy]
        by_torch = self._by_torch(x, start, weight, silent)
        by_hand = self._by_hand(x, noise, start, weight, torch.tensor(noisy))
        back = torch.tensor([*silent, *noisy]).argsort()
        both = [torch.cat(pair)[back] for pair in zip(_flat(by_torch), _flat(by_hand), strict=True)]
        return both[0], (both[1], both[2])

    def _by_hand(
        self, x: Tensor, noise: CellNoise, start: State, weight: Tensor, replicas: Tensor | None = None
    ) -> tuple[Tensor, State]:
        """Computes some replicas, or all (None), by nn/bptt.py."""

        def some(tensor: Tensor) -> Tensor:
            return tensor if replicas is None else tensor[replicas]

        def over_time(factor: Steps | Mix | None) -> Tensor | None:
            return some(factor.over(start[0])).movedim(2, 0).contiguous() if isinstance(factor, Factor) else None

        on = [over_time(factor) for factor in (noise.state, noise.candidate, noise.hidden)]
        parts = some(x).transpose(1, 2), some(self.weight_input), some(weight)
        bias_input, bias_hidden, state, memory = map(some, (self.bias_input, self.bias_hidden, *start))
        if self.cell == "lstm":
            on.append(over_time(noise.cell))
            states, memory = bptt.LSTM.apply(*parts, bias_input + bias_hidden, state, memory, *on)  # type: ignore[no-untyped-call]
        else:
            states = bptt.GRU.apply(*parts, bias_input, bias_hidden, state, *on)  # type: ignore[no-untyped-call]
        return states.permute(1, 2, 0, 3), (states[-1], memory)

    def _by_torch(self, x: Tensor, start: State, weight: Tensor, replicas: Sequence[int]) -> tuple[Tensor, State]:
        """Computes some replicas one after the other by torch's fused LSTM, whose weights are [4H, I]."""
        results = []
        for k in replicas:
            weights = [self.weight_input[k].t(), weight[k].t(), self.bias_input[k, 0], self.bias_hidden[k, 0]]
            before = (start[0][k, None], start[1][k, None])
            # The last arguments: has biases, 1 layer, no dropout, training, not bidirectional, batch first.
            results.append(torch._VF.lstm(x[k], before, weights, True, 1, 0.0, torch.is_grad_enabled(), False, True))
        states, state, memory = (torch.stack(part) for part in zip(*results, strict=True))
        return states, (state[:, 0], memory[:, 0])

    def _step_by_step(self, x: Tensor, noise: CellNoise, start: State, weight: Tensor) -> tuple[Tensor, State]:
        """Computes all replicas with autograd, step by step, under any noise."""
        k, b, steps, _ = x.shape
        # The product with the input needs no state, so there is one product for all steps, in an order that makes each step
        # contiguous.
        flat = x.transpose(1, 2).reshape(k, steps * b, -1)
        inputs = affine(flat, self.weight_input, self.bias_input).view(k, steps, b, -1).unbind(1)
        state, memory = start
        outputs = []
        for t, gates in enumerate(inputs):
            seen = state if noise.state is None else noise.state(state, t)
            recurrent = affine(seen, weight, self.bias_hidden)
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
                # Added first and then split, so that the sigmoids' arguments are not contiguous over replicas: see
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


def _torchs_own_is_faster(x: Tensor, weight: Tensor) -> bool:
    """Returns whether torch's fused LSTM is faster than nn/bptt.py without noise: on a CPU, unless the layer is very small."""
    return x.device.type == "cpu" and x.shape[1] * weight.shape[1] * weight.shape[2] >= 2**20


def _flat(result: tuple[Tensor, State]) -> tuple[Tensor, Tensor, Tensor]:
    return result[0], *result[1]

"""Recurrent layers: vanilla, LSTM and GRU, over [K, B, T, I], with places for noise inside the cell."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn

from dropbench.nn import bptt
from dropbench.nn.init import Draw, fan_in_uniform, orthogonal
from dropbench.nn.product import affine

Cell = Literal["vanilla", "lstm", "gru"]
Steps = Callable[[Tensor, int], Tensor]
"""A function of (tensor [K, B, H], step)."""
Mix = Callable[[Tensor, Tensor, int], Tensor]
"""A function of (old state, new state, step), [K, B, H] each."""
State = tuple[Tensor, Tensor]
"""The hidden state and the LSTM's cell, [K, B, H] each; other cells leave the second as it was."""
GATES = {"vanilla": 1, "lstm": 4, "gru": 3}


class Factor:
    """Noise that multiplies, as one of `Steps` or `Mix`, of which a layer may have the factors of all steps at once."""

    def __init__(self, draw: Callable[[Tensor], Tensor], acts: Sequence[bool]) -> None:
        """`draw` makes [K, B, T or 1, H] for a state [K, B, H]; `acts` says of each replica whether it is more than ones."""
        self._draw = draw
        self._drawn: Tensor | None = None
        self.acts = acts

    def over(self, state: Tensor) -> Tensor:
        """The factors of a sequence, drawn when first asked for."""
        if self._drawn is None:
            self._drawn = self._draw(state)
        return self._drawn

    def at(self, state: Tensor, step: int) -> Tensor:
        factors = self.over(state)
        return factors[:, :, step % factors.shape[2]]


class Times(Factor):
    """The state times a factor."""

    def __call__(self, state: Tensor, step: int) -> Tensor:
        return state * self.at(state, step)


class Between(Factor):
    """A factor m between the old state and the new: m new + (1 - m) old."""

    def __call__(self, old: Tensor, new: Tensor, step: int) -> Tensor:
        factor = self.at(new, step)
        return factor * new + (1 - factor) * old


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

    An LSTM without noise inside goes to torch's own fused one, replica by replica; an LSTM or a GRU with noise that multiplies,
    and every small one, through nn/bptt.py; what else there is, step by step.
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
        as Krueger et al. 2017 have it. All is of the weights' type, in autocast too: rounding would add up over the steps.
        """
        with torch.autocast(x.device.type, enabled=False):
            kind = self.weight_hidden.dtype
            x, weight = x.to(kind), (self.weight_hidden if weight_hidden is None else weight_hidden).to(kind)
            zeros = x.new_zeros(x.shape[0], x.shape[1], self.hidden)
            return self._forward(x, noise, start or (zeros, zeros), weight)

    def _forward(self, x: Tensor, noise: CellNoise, start: State, weight: Tensor) -> tuple[Tensor, State]:
        found: list[object] = [n for n in (noise.state, noise.candidate, noise.hidden, noise.cell) if n is not None]
        factors = [n for n in found if isinstance(n, Factor)]
        if self.cell == "vanilla" or len(factors) < len(found):
            return self._step_by_step(x, noise, start, weight)
        if self.cell == "gru" or not _torchs_own_is_faster(x, weight):
            return self._by_hand(x, noise, start, weight)
        # A replica's way must not depend on its company, so those without noise part from those with.
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
        """Of some replicas, or all, by nn/bptt.py."""

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
        """Of some replicas one after the other, by torch's fused LSTM, whose weights are [4H, I]."""
        made = []
        for k in replicas:
            weights = [self.weight_input[k].t(), weight[k].t(), self.bias_input[k, 0], self.bias_hidden[k, 0]]
            before = (start[0][k, None], start[1][k, None])
            # Of layers 1, dropout 0, training, both directions no, batch first.
            made.append(torch._VF.lstm(x[k], before, weights, True, 1, 0.0, torch.is_grad_enabled(), False, True))
        states, state, memory = (torch.stack(part) for part in zip(*made, strict=True))
        return states, (state[:, 0], memory[:, 0])

    def _step_by_step(self, x: Tensor, noise: CellNoise, start: State, weight: Tensor) -> tuple[Tensor, State]:
        """By autograd, for whatever noise."""
        k, b, steps, _ = x.shape
        # The input's product needs no state, so all steps are done at once, in an order that makes each step contiguous.
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


def _torchs_own_is_faster(x: Tensor, weight: Tensor) -> bool:
    """Than the steps by hand, for an LSTM without noise: on a CPU, and unless it is so small that only calls count."""
    return x.device.type == "cpu" and x.shape[1] * weight.shape[1] * weight.shape[2] >= 2**20


def _flat(result: tuple[Tensor, State]) -> tuple[Tensor, Tensor, Tensor]:
    return result[0], *result[1]

"""LSTM and GRU over a whole sequence as one step of autograd, with backpropagation through time written by hand.

An eager loop leaves about twenty nodes per step on autograd's tape, each with its own memory. Here one buffer holds all
steps. The product with the input is computed once for all steps, before the loop, and the gradient of the recurrent weight
is one product over all steps. tanh is computed as 2σ(2x) - 1, which takes a third of the time of `torch.tanh` on a CPU and
differs from it by 1e-7. Figures: benchmarks/recurrent.py.

Internally everything is [T, K, B, H], so that a step is one contiguous block. Noise is given as factors: [T, K, B, H] for a
factor per step, or [1, K, B, H] for one factor for all steps. A transition's factor m mixes the old and the new state: m new
+ (1 - m) old.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from torch.autograd import Function
from torch.autograd.function import once_differentiable

from dropbench.nn.activation import in_vectors
from dropbench.nn.product import add_product, affine, product

_sigmoid_backward = torch.ops.aten.sigmoid_backward.grad_input
_tanh_backward = torch.ops.aten.tanh_backward.grad_input


class LSTM(Function):
    """The LSTM with gates in torch's order i, f, g, o: c = f c + i d(g), h = o tanh(c), gates from x W + d(h) U + b.

    d is the noise, if there is any.

    References
    ----------
    Gers, Schmidhuber and Cummins 2000, "Learning to forget".
    """

    @staticmethod
    def forward(
        ctx: Any,
        x: Tensor,
        weight_input: Tensor,
        weight_hidden: Tensor,
        bias: Tensor,
        state: Tensor,
        memory: Tensor,
        *noise: Tensor | None,
    ) -> tuple[Tensor, Tensor]:
        """Returns the states [T, K, B, H] of all steps and the last memory [K, B, H].

        Parameters
        ----------
        x : Tensor
            [K, T, B, I].
        weight_input, weight_hidden : Tensor
            [K, I, 4H] and [K, H, 4H].
        bias : Tensor
            [K, 1, 4H].
        state, memory : Tensor
            h and c before the first step, [K, B, H] each.
        *noise : Tensor or None
            Four factors: on the state that goes into the recurrent product, on the candidate g, on the transition of the
            state and on the transition of the memory.
        """
        gates = _projected(x, weight_input, bias)
        steps, k, b, _ = gates.shape
        width = weight_hidden.shape[1]
        states, memories = _room(steps, state), _room(steps, memory)
        squashed = gates.new_empty(steps, k, b, width)
        products_of = _beside(states[:-1], noise[0])
        addends = _beside(gates[..., 2 * width : 3 * width], noise[1])
        on_state, on_candidate, on_step, on_memory = (_each(factor, steps) for factor in noise)
        i, f, g, o = _gates(gates, width)
        gate, h, c, tanh_c, seen, added = map(_steps, (gates, states, memories, squashed, products_of, addends))
        for t in range(steps):
            if on_state:
                torch.mul(h[t], on_state[t], out=seen[t])
            add_product(gate[t], seen[t], weight_hidden)
            g[t].mul_(2)
            _sigmoid(gate[t])
            g[t].mul_(2).sub_(1)
            if on_candidate:
                torch.mul(g[t], on_candidate[t], out=added[t])
            torch.mul(f[t], c[t], out=c[t + 1]).addcmul_(i[t], added[t])
            _sigmoid(torch.mul(c[t + 1], 2, out=tanh_c[t])).mul_(2).sub_(1)
            torch.mul(o[t], tanh_c[t], out=h[t + 1])
            if on_memory:  # after the output was computed from the new memory: Krueger et al. 2017
                _mix(c[t], c[t + 1], on_memory[t])
            if on_step:
                _mix(h[t], h[t + 1], on_step[t])
        ctx.save_for_backward(x, weight_input, weight_hidden, gates, memories, squashed, products_of, addends, *noise)
        return states[1:], memories[-1].clone()

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, of_states: Tensor, of_memory: Tensor) -> tuple[Tensor | None, ...]:
        """Returns the gradients of `forward`'s arguments, from those of the states [T, K, B, H] and the memory [K, B, H]."""
        x, weight_input, weight_hidden, gates, memories, squashed, products_of, addends, *noise = ctx.saved_tensors
        steps, _, _, width = squashed.shape
        on_state, on_candidate, on_step, on_memory = (_each(factor, steps) for factor in noise)
        delta = torch.empty_like(gates)  # gradients of the gates' arguments
        i, f, g, o = _gates(gates, width)
        d_i, d_f, d_g, d_o = _gates(delta, width)
        i_f, d_i_f = gates[..., : 2 * width].unbind(0), delta[..., : 2 * width].unbind(0)
        d_h, c, tanh_c, added, d_gate = map(_steps, (of_states, memories, squashed, addends, delta))
        back = weight_hidden.transpose(1, 2)
        dh, dc, through = torch.zeros_like(of_memory), of_memory.clone(), torch.empty_like(of_memory)
        for t in range(steps - 1, -1, -1):
            dh.add_(d_h[t])
            past_h = _parted(dh, on_step[t]) if on_step else None
            past_c = _parted(dc, on_memory[t]) if on_memory else None
            torch.mul(dh, o[t], out=through)
            dc.add_(_tanh_backward(through, tanh_c[t], grad_input=through))
            torch.mul(dc, added[t], out=d_i[t])
            torch.mul(dc, c[t], out=d_f[t])
            _sigmoid_backward(d_i_f[t], i_f[t], grad_input=d_i_f[t])
            torch.mul(dc, i[t], out=d_g[t])
            if on_candidate:
                d_g[t].mul_(on_candidate[t])
            _tanh_backward(d_g[t], g[t], grad_input=d_g[t])
            torch.mul(dh, tanh_c[t], out=d_o[t])
            _sigmoid_backward(d_o[t], o[t], grad_input=d_o[t])
            dc.mul_(f[t])
            add_product(dh.zero_(), d_gate[t], back)
            if on_state:
                dh.mul_(on_state[t])
            if past_h is not None:
                dh.add_(past_h)
            if past_c is not None:
                dc.add_(past_c)
        rows = _rows(delta)
        d_hidden = product(_rows(products_of).transpose(1, 2), rows)
        return (
            *_of_input(ctx, x, weight_input, rows),
            d_hidden,
            rows.sum(1, keepdim=True),
            dh,
            dc,
            *(None for _ in noise),
        )


class GRU(Function):
    """The GRU as torch and cuDNN compute it, gates r, z, n: n = tanh(x W + b + r (d(h) U + c)), h = (1 - z) d(n) + z h.

    d is the noise, if there is any.

    References
    ----------
    Cho et al. 2014 (arXiv:1406.1078).
    """

    @staticmethod
    def forward(
        ctx: Any,
        x: Tensor,
        weight_input: Tensor,
        weight_hidden: Tensor,
        bias_input: Tensor,
        bias_hidden: Tensor,
        state: Tensor,
        *noise: Tensor | None,
    ) -> Tensor:
        """Returns the states [T, K, B, H] of all steps.

        Parameters
        ----------
        x : Tensor
            [K, T, B, I].
        weight_input, weight_hidden : Tensor
            [K, I, 3H] and [K, H, 3H].
        bias_input, bias_hidden : Tensor
            [K, 1, 3H] each.
        state : Tensor
            h before the first step, [K, B, H].
        *noise : Tensor or None
            Three factors: on the state that goes into the recurrent product, on the candidate n and on the transition of the
            state.
        """
        gates = _projected(x, weight_input, bias_input)
        steps, k, b, _ = gates.shape
        width = weight_hidden.shape[1]
        states = _room(steps, state)
        # Not `contiguous`: if there is nothing to expand, it would return the bias itself, which would then be overwritten.
        sums = bias_hidden.expand(steps, k, b, -1).clone(memory_format=torch.contiguous_format)  # will be d(h) U + c
        products_of = _beside(states[:-1], noise[0])
        addends = _beside(gates[..., 2 * width :], noise[1])
        on_state, on_candidate, on_step = (_each(factor, steps) for factor in noise)
        r, z, n = _gates(gates, width)
        r_z, of_r_z = gates[..., : 2 * width].unbind(0), sums[..., : 2 * width].unbind(0)
        of_n = sums[..., 2 * width :].unbind(0)
        product_, h, seen, added = map(_steps, (sums, states, products_of, addends))
        for t in range(steps):
            if on_state:
                torch.mul(h[t], on_state[t], out=seen[t])
            add_product(product_[t], seen[t], weight_hidden)
            _sigmoid(r_z[t].add_(of_r_z[t]))
            _sigmoid(n[t].addcmul_(r[t], of_n[t]).mul_(2)).mul_(2).sub_(1)
            if on_candidate:
                torch.mul(n[t], on_candidate[t], out=added[t])
            torch.sub(h[t], added[t], out=h[t + 1]).mul_(z[t]).add_(added[t])
            if on_step:
                _mix(h[t], h[t + 1], on_step[t])
        ctx.save_for_backward(x, weight_input, weight_hidden, gates, sums, states, products_of, addends, *noise)
        return states[1:]

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, of_states: Tensor) -> tuple[Tensor | None, ...]:
        """Returns the gradients of `forward`'s arguments, from that of the states [T, K, B, H]."""
        x, weight_input, weight_hidden, gates, sums, states, products_of, addends, *noise = ctx.saved_tensors
        steps, width = len(gates), weight_hidden.shape[1]
        on_state, on_candidate, on_step = (_each(factor, steps) for factor in noise)
        # Gradients of the two products that the gates add up, that of the input and that of the state. They differ only for
        # n, where the reset gate multiplies the state's product.
        delta, recurrent = torch.empty_like(gates), torch.empty_like(gates)
        r, z, n = _gates(gates, width)
        d_r, d_z, d_n = _gates(delta, width)
        r_z, d_r_z = gates[..., : 2 * width].unbind(0), delta[..., : 2 * width].unbind(0)
        to_r_z, to_n = recurrent[..., : 2 * width].unbind(0), recurrent[..., 2 * width :].unbind(0)
        of_n = sums[..., 2 * width :].unbind(0)
        d_h, h, added, d_product = map(_steps, (of_states, states, addends, recurrent))
        back = weight_hidden.transpose(1, 2)
        dh, through = torch.zeros_like(h[0]), torch.empty_like(h[0])
        for t in range(steps - 1, -1, -1):
            dh.add_(d_h[t])
            past = _parted(dh, on_step[t]) if on_step else None
            torch.mul(dh, torch.sub(h[t], added[t], out=through), out=d_z[t])
            torch.mul(dh, z[t], out=through)  # the part that goes directly to the previous state
            torch.sub(dh, through, out=d_n[t])
            if on_candidate:
                d_n[t].mul_(on_candidate[t])
            _tanh_backward(d_n[t], n[t], grad_input=d_n[t])
            torch.mul(d_n[t], of_n[t], out=d_r[t])
            _sigmoid_backward(d_r_z[t], r_z[t], grad_input=d_r_z[t])
            to_r_z[t].copy_(d_r_z[t])
            torch.mul(d_n[t], r[t], out=to_n[t])
            add_product(dh.zero_(), d_product[t], back)
            if on_state:
                dh.mul_(on_state[t])
            dh.add_(through)
            if past is not None:
                dh.add_(past)
        rows, recurrent_rows = _rows(delta), _rows(recurrent)
        d_hidden = product(_rows(products_of).transpose(1, 2), recurrent_rows)
        d_biases = rows.sum(1, keepdim=True), recurrent_rows.sum(1, keepdim=True)
        return *_of_input(ctx, x, weight_input, rows), d_hidden, *d_biases, dh, *(None for _ in noise)


def _mix(old: Tensor, new: Tensor, factor: Tensor) -> None:
    """Overwrites `new` by m new + (1 - m) old, with m the factor."""
    new.mul_(factor).addcmul_(old, 1 - factor)


def _parted(gradient: Tensor, factor: Tensor) -> Tensor:
    """Keeps the new state's share of a gradient, in place, and returns the old state's share."""
    past = gradient * (1 - factor)
    gradient.mul_(factor)
    return past


def _projected(x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    """Returns the input's contribution to all gates at all steps, [T, K, B, G]; it needs no state, so it is one product."""
    k, steps, b, inputs = x.shape
    return affine(x.reshape(k, steps * b, inputs), weight, bias).view(k, steps, b, -1).transpose(0, 1).contiguous()


def _room(steps: int, first: Tensor) -> Tensor:
    """Returns a buffer [T + 1, K, B, H] for a state at all steps, with the initial state in it."""
    buffer = first.new_empty(steps + 1, *first.shape)
    buffer[0] = first
    return buffer


def _beside(x: Tensor, factor: Tensor | None) -> Tensor:
    """Returns a buffer for x times the factor, or x itself if there is no factor."""
    return x if factor is None else x.new_empty(x.shape)


def _gates(x: Tensor, width: int) -> list[tuple[Tensor, ...]]:
    """Returns for each gate its columns at every step, as views."""
    return [gate.unbind(0) for gate in x.split(width, -1)]


def _steps(x: Tensor) -> tuple[Tensor, ...]:
    return x.unbind(0)


def _each(factor: Tensor | None, steps: int) -> Sequence[Tensor]:
    """Returns the factor of each step; empty without noise."""
    if factor is None:
        return ()
    return factor.unbind(0) if len(factor) == steps else [factor[0]] * steps


def _sigmoid(x: Tensor) -> Tensor:
    """Computes the sigmoid in place, with results that do not depend on the stack: see `activation.one_by_one`."""
    if in_vectors(x):
        return x.sigmoid_()
    for one in x.unbind(0):
        one.sigmoid_()
    return x


def _rows(x: Tensor) -> Tensor:
    """Reshapes [T, K, B, H] to [K, T·B, H]."""
    steps, k, b, width = x.shape
    return x.transpose(0, 1).reshape(k, steps * b, width)


def _of_input(ctx: Any, x: Tensor, weight: Tensor, rows: Tensor) -> tuple[Tensor | None, Tensor]:
    """Returns the gradients of the input and of its weight."""
    d_x = product(rows, weight.transpose(1, 2)).view(x.shape) if ctx.needs_input_grad[0] else None
    return d_x, product(x.flatten(1, 2).transpose(1, 2), rows)

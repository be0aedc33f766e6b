"""Runs `nn.LSTM`, `nn.GRU` and `nn.RNN` layer by layer with their own parameters, so that noise can act in between.

torch's kernel for several layers has its own dropout between them, which takes no mask from outside.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from torch.nn.utils.rnn import PackedSequence, pack_padded_sequence, pad_packed_sequence

from dropbench.models.found.current import Taken

_Given = Tensor | PackedSequence


def recurrent(layer: Any, between: Taken | None, weights: Sequence[Taken], given: _Given, hx: Any) -> Any:
    """Returns the same as the layer's own `forward`, with noise between its layers and on its hidden-to-hidden weights.

    Parameters
    ----------
    layer : nn.RNNBase
        The layer whose parameters and options are used.
    between : Taken or None
        Applies noise to a layer's output for the next, [B, T, H], or [T, B, H] without `batch_first`; None for a single layer.
    weights : sequence of Taken
        Apply noise to the hidden-to-hidden weights, in the order of the parameters: a layer, its reverse direction, the next.
    given, hx
        As in torch: a tensor or a packed sequence, and the state before the first step, if any.
    """
    if isinstance(given, Tensor) and given.ndim != 3:
        raise RuntimeError(f"{type(layer).__name__}: a sequence without a batch axis is not supported")
    directions = 2 if layer.bidirectional else 1
    states = _before(layer, given, hx, directions)
    x: Any = given
    ends: list[tuple[Tensor, ...]] = []
    for i in range(layer.num_layers):
        if i and between is not None:
            x = _between(between, x, layer)
        rows = slice(i * directions, (i + 1) * directions)
        x, end = _one(layer, x, _weights(layer, i, directions, weights), tuple(s[rows] for s in states))
        ends.append(end)
    after = tuple(torch.cat(parts) for parts in zip(*ends, strict=True))
    if isinstance(given, PackedSequence) and given.unsorted_indices is not None:
        after = tuple(s.index_select(1, given.unsorted_indices) for s in after)
    return x, after if layer.mode == "LSTM" else after[0]


def _before(layer: Any, given: _Given, hx: Any, directions: int) -> tuple[Tensor, ...]:
    """Returns the state before the first step, [layers · directions, B, H], in the order of a packed sequence."""
    if isinstance(given, PackedSequence):
        batch, like = int(given.batch_sizes[0]), given.data
    else:
        batch, like = given.shape[0 if layer.batch_first else 1], given
    lstm = layer.mode == "LSTM"
    if hx is None:
        rows, hidden = layer.num_layers * directions, layer.hidden_size
        sizes = [layer.proj_size or hidden, hidden] if lstm else [hidden]
        return tuple(like.new_zeros(rows, batch, size) for size in sizes)
    states = tuple(hx) if lstm else (hx,)
    order = given.sorted_indices if isinstance(given, PackedSequence) else None
    return states if order is None else tuple(s.index_select(1, order) for s in states)


def _weights(layer: Any, i: int, directions: int, taken: Sequence[Taken]) -> list[Tensor]:
    """Returns the weights of one layer in the order that torch's kernels expect."""
    flat: list[Tensor] = []
    for d in range(directions):
        suffix = f"l{i}{'_reverse' if d else ''}"
        hidden = getattr(layer, f"weight_hh_{suffix}")
        hidden = taken[i * directions + d].act(hidden, layer.training)
        flat += [getattr(layer, f"weight_ih_{suffix}"), hidden]
        if layer.bias:
            flat += [getattr(layer, f"bias_ih_{suffix}"), getattr(layer, f"bias_hh_{suffix}")]
        if layer.proj_size:
            flat.append(getattr(layer, f"weight_hr_{suffix}"))
    return flat


def _one(layer: Any, x: Any, weights: list[Tensor], state: tuple[Tensor, ...]) -> tuple[Any, tuple[Tensor, ...]]:
    run = getattr(torch._VF, layer.mode.lower())  # lstm, gru, rnn_tanh or rnn_relu
    before = state if layer.mode == "LSTM" else state[0]
    # The last arguments: has biases, one layer, no dropout, training, bidirectional and, unless packed, batch first.
    rest = (layer.bias, 1, 0.0, layer.training, layer.bidirectional)
    if isinstance(x, PackedSequence):
        out, *after = run(x.data, x.batch_sizes, before, weights, *rest)
        return PackedSequence(out, x.batch_sizes, x.sorted_indices, x.unsorted_indices), tuple(after)
    out, *after = run(x, before, weights, *rest, layer.batch_first)
    return out, tuple(after)


def _between(taken: Taken, x: Any, layer: Any) -> Any:
    if not isinstance(x, PackedSequence):
        return taken.act(x, layer.training)
    # Without the indices, so that the rows keep the packed order.
    padded, lengths = pad_packed_sequence(PackedSequence(x.data, x.batch_sizes, None, None), batch_first=True)
    noisy = pack_padded_sequence(taken.act(padded, layer.training), lengths, batch_first=True)
    return PackedSequence(noisy.data, x.batch_sizes, x.sorted_indices, x.unsorted_indices)

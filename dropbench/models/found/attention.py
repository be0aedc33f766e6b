"""`nn.MultiheadAttention` computed step by step, so that noise can act on its weights; fused kernels take no such mask."""

from __future__ import annotations

import math
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from dropbench.models.found.current import Taken


def attention(
    layer: Any,
    taken: Taken,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    key_padding_mask: Tensor | None = None,
    need_weights: bool = True,
    attn_mask: Tensor | None = None,
    average_attn_weights: bool = True,
    is_causal: bool = False,
) -> tuple[Tensor, Tensor | None]:
    """Returns the same as `nn.MultiheadAttention.forward`, with noise on the attention weights after the softmax.

    Parameters
    ----------
    layer : nn.MultiheadAttention
        The layer whose parameters and options are used.
    taken : Taken
        Applies noise to the weights [B, A, T, S].
    query, key, value : Tensor
        [B, T, E] and [B, S, E] with `batch_first`, else with the first two axes swapped.
    key_padding_mask, need_weights, attn_mask, average_attn_weights, is_causal
        As in torch. `is_causal` is only a hint: torch requires the mask as well.
    """
    if query.ndim != 3:
        raise RuntimeError(f"{taken.name}: attention without a batch axis is not supported")
    if not layer.batch_first:
        query, key, value = (x.transpose(0, 1) for x in (query, key, value))
    q, k, v = _projected(layer, query, key, value)
    bias = _bias(layer, q, k, key_padding_mask, attn_mask)
    if layer.bias_k is not None:
        k, v = (torch.cat([x, b.expand(len(x), 1, -1)], 1) for x, b in ((k, layer.bias_k), (v, layer.bias_v)))
    if layer.add_zero_attn:
        k, v = (torch.cat([x, x.new_zeros(len(x), 1, x.shape[-1])], 1) for x in (k, v))
    q, k, v = (x.unflatten(-1, (layer.num_heads, -1)).transpose(1, 2) for x in (q, k, v))
    scores = (q / math.sqrt(q.shape[-1])) @ k.transpose(-1, -2)
    weights = torch.softmax(scores if bias is None else scores + bias, -1)
    weights = taken.act(weights, layer.training)
    mixed = weights.to(v.dtype) @ v
    out = layer.out_proj(mixed.transpose(1, 2).flatten(2))
    out = out if layer.batch_first else out.transpose(0, 1)
    if not need_weights:
        return out, None
    return out, weights.mean(1) if average_attn_weights else weights


def _projected(layer: Any, query: Tensor, key: Tensor, value: Tensor) -> list[Tensor]:
    if layer.in_proj_weight is not None:
        weights = layer.in_proj_weight.chunk(3)
    else:
        weights = (layer.q_proj_weight, layer.k_proj_weight, layer.v_proj_weight)
    biases = (None,) * 3 if layer.in_proj_bias is None else layer.in_proj_bias.chunk(3)
    return [F.linear(x, w, b) for x, w, b in zip((query, key, value), weights, biases, strict=True)]


def _bias(layer: Any, q: Tensor, k: Tensor, padding: Tensor | None, mask: Tensor | None) -> Tensor | None:
    """Returns what is added to the scores [B, A, T, S]: both masks, and 0 for keys that the layer itself adds."""
    parts = []
    if mask is not None:
        parts.append(_added(mask, q) if mask.ndim == 2 else _added(mask, q).unflatten(0, (len(q), layer.num_heads)))
    if padding is not None:
        parts.append(_added(padding, q)[:, None, None])
    if not parts:
        return None
    bias = parts[0] if len(parts) == 1 else parts[0] + parts[1]
    more = (layer.bias_k is not None) + bool(layer.add_zero_attn)
    return F.pad(bias, (0, more)) if more else bias


def _added(mask: Tensor, like: Tensor) -> Tensor:
    """Converts a bool mask (true: not attended to) to numbers; returns a mask of numbers unchanged."""
    if mask.dtype != torch.bool:
        return mask.to(like.dtype)
    return torch.zeros_like(mask, dtype=like.dtype).masked_fill_(mask, -math.inf)

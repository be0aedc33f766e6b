"""Self-attention."""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from dropbench.nn.init import Draw
from dropbench.nn.linear import Linear

OnWeights = Callable[[Tensor], Tensor]


class SelfAttention(nn.Module):
    """K multi-head self-attentions (Vaswani et al. 2017, arXiv:1706.03762, section 3.2): x [K, B, T, F] to the same shape.

    `features` is a multiple of `heads`. With noise on the attention weights they are made one by one. Without it an
    accelerator takes torch's fused kernel, which never holds them; a CPU takes the same way as with noise, slower where
    sequences are short, so that a replica without noise is the same to the last bit beside one with it.
    """

    def __init__(self, replicas: int, features: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.qkv = Linear(replicas, features, 3 * features)
        self.out = Linear(replicas, features, features)

    def forward(self, x: Tensor, padding: Tensor | None = None, noise: OnWeights | None = None) -> Tensor:
        """`padding` [K, B, T] is true where a step is not to be attended to; `noise` acts on weights [K, B, A, T, S]."""
        query, key, value = self.qkv(x).unflatten(-1, (3, self.heads, -1)).permute(3, 0, 1, 4, 2, 5).unbind(0)
        bias = None if padding is None else key_bias(padding, query.dtype)
        if noise is not None:
            mixed = explicit(query, key, value, bias, noise)
        elif x.device.type != "cpu":
            mixed = fused(query, key, value, bias)
        else:  # one replica at a time, whose weights stay in the cache
            given = [query, key, value] if bias is None else [query, key, value, bias]
            mixed = torch.stack([explicit(*one) for one in zip(*(t.unbind(0) for t in given), strict=True)])
        out: Tensor = self.out(mixed.transpose(2, 3).flatten(3))
        return out


def key_bias(padding: Tensor, dtype: torch.dtype) -> Tensor:
    """What is added to the scores, [K, B, 1, 1, S]: the lowest finite number at padding, whose weight is then exactly zero.

    Finite, because an example of nothing but padding would come out as NaN otherwise; it attends to all steps alike.
    """
    return torch.zeros(padding.shape, dtype=dtype, device=padding.device).masked_fill_(padding, torch.finfo(dtype).min)[
        :, :, None, None
    ]


def explicit(
    query: Tensor, key: Tensor, value: Tensor, bias: Tensor | None = None, noise: OnWeights | None = None
) -> Tensor:
    """softmax(query · keyᵀ / √D + bias) · value for [..., A, T, D], with noise on the softmax."""
    scores = (query / math.sqrt(query.shape[-1])) @ key.transpose(-1, -2)
    weights = torch.softmax(scores if bias is None else scores + bias, -1)
    # The type of the values, for under autocast a softmax is in float32.
    return (weights if noise is None else noise(weights)).to(value.dtype) @ value


def fused(query: Tensor, key: Tensor, value: Tensor, bias: Tensor | None = None) -> Tensor:
    """The same without noise, for [K, B, A, T, D], by torch's fused kernel. Its own dropout is never used."""
    mask = None if bias is None else bias.flatten(0, 1)
    mixed = F.scaled_dot_product_attention(
        query.flatten(0, 1), key.flatten(0, 1), value.flatten(0, 1), attn_mask=mask, dropout_p=0.0
    )
    return mixed.view(query.shape)


class Positions(nn.Module):
    """K tables of a learned vector for each step, added to x [K, B, T, F]; standard deviation 0.02 at the start."""

    def __init__(self, replicas: int, steps: int, features: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(replicas, steps, features))

    @torch.no_grad()
    def reset(self, draw: Draw) -> None:
        self.weight.copy_(draw.normal(tuple(self.weight.shape[1:])).mul_(0.02))

    def forward(self, x: Tensor) -> Tensor:
        return x + self.weight[:, None]

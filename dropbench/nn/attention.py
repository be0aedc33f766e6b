"""Self-attention."""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from dropbench.nn.init import Draw
from dropbench.nn.linear import Linear
from dropbench.nn.twice import plain

OnWeights = Callable[[Tensor], Tensor]


class SelfAttention(nn.Module):
    """K multi-head self-attentions: x [K, B, T, F] to the same shape.

    With noise on the attention weights, softmax and products are computed step by step. Without noise, an accelerator uses
    torch's fused kernel, which never stores the weights. A CPU takes the explicit steps in both cases, although they are
    slower for short sequences, so that a replica without noise has the same bits beside a replica with noise.

    Parameters
    ----------
    replicas : int
        K.
    features : int
        F, a multiple of `heads`.
    heads : int
        A; each attends with F / A features.

    References
    ----------
    Vaswani et al. 2017, "Attention is all you need" (arXiv:1706.03762), section 3.2.
    """

    def __init__(self, replicas: int, features: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.qkv = Linear(replicas, features, 3 * features)
        self.out = Linear(replicas, features, features)

    def forward(self, x: Tensor, padding: Tensor | None = None, noise: OnWeights | None = None) -> Tensor:
        """Returns the attention over x [K, B, T, F], in the same shape.

        Parameters
        ----------
        padding : Tensor, optional
            [K, B, T] bool, true where a step must not be attended to.
        noise : callable, optional
            Acts on the attention weights [K, B, A, T, S], where T steps attend to S steps.
        """
        query, key, value = self.qkv(x).unflatten(-1, (3, self.heads, -1)).permute(3, 0, 1, 4, 2, 5).unbind(0)
        bias = None if padding is None else key_bias(padding, query.dtype)
        if noise is not None:
            mixed = explicit(query, key, value, bias, noise)
        elif x.device.type != "cpu" and not plain():
            mixed = fused(query, key, value, bias)
        else:  # one replica at a time, so that its weights stay in the cache
            given = [query, key, value] if bias is None else [query, key, value, bias]
            mixed = torch.stack([explicit(*one) for one in zip(*(t.unbind(0) for t in given), strict=True)])
        out: Tensor = self.out(mixed.transpose(2, 3).flatten(3))
        return out


def key_bias(padding: Tensor, dtype: torch.dtype) -> Tensor:
    """Returns the term [K, B, 1, 1, S] that is added to the scores so that padding [K, B, S] gets exactly zero weight.

    It is the lowest finite number. With -inf, an example that is all padding would give NaN; with this number it attends to
    all steps equally.
    """
    return torch.zeros(padding.shape, dtype=dtype, device=padding.device).masked_fill_(padding, torch.finfo(dtype).min)[
        :, :, None, None
    ]


def explicit(
    query: Tensor, key: Tensor, value: Tensor, bias: Tensor | None = None, noise: OnWeights | None = None
) -> Tensor:
    """Returns softmax(query · keyᵀ / √D + bias) · value, with `noise` acting on the softmax; arguments are [..., A, T, D]."""
    scores = (query / math.sqrt(query.shape[-1])) @ key.transpose(-1, -2)
    weights = torch.softmax(scores if bias is None else scores + bias, -1)
    # Converted back to the type of the values, because autocast computes a softmax in float32.
    return (weights if noise is None else noise(weights)).to(value.dtype) @ value


def fused(query: Tensor, key: Tensor, value: Tensor, bias: Tensor | None = None) -> Tensor:
    """Computes `explicit` without noise by torch's fused kernel with its own dropout off; arguments are [K, B, A, T, D]."""
    mask = None if bias is None else bias.flatten(0, 1)
    mixed = F.scaled_dot_product_attention(
        query.flatten(0, 1), key.flatten(0, 1), value.flatten(0, 1), attn_mask=mask, dropout_p=0.0
    )
    return mixed.view(query.shape)


class Positions(nn.Module):
    """Adds learned position vectors, one per step, to x [K, B, T, F].

    They are initialised normally with a standard deviation of 0.02.
    """

    def __init__(self, replicas: int, steps: int, features: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(replicas, steps, features))

    @torch.no_grad()
    def reset(self, draw: Draw) -> None:
        """Draws the initial vectors."""
        self.weight.copy_(draw.normal(tuple(self.weight.shape[1:])).mul_(0.02))

    def forward(self, x: Tensor) -> Tensor:
        """Adds the position vectors to x [K, B, T, F], keeping its shape."""
        return x + self.weight[:, None]

"""Batch and layer normalisation."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from dropbench.nn.init import Draw

_VECTOR = 16
"""float32 numbers in the widest vector register (AVX-512)."""


class BatchNorm(nn.Module):
    """K batch norms over x [K, B, C] or [K, B, C, H, W] (Ioffe & Szegedy 2015), with torch's eps and momentum.

    With the replica axis folded into the channels, torch's own kernel does the whole stack at once. On a CPU what a channel
    rounds to depends on its place in a vector register: where replicas do not fill registers, and over maps, where taking
    turns is faster anyway, they take turns.
    """

    running_mean: Tensor
    running_var: Tensor

    def __init__(self, replicas: int, channels: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(replicas, channels))
        self.bias = nn.Parameter(torch.zeros(replicas, channels))
        self.register_buffer("running_mean", torch.zeros(replicas, channels))
        self.register_buffer("running_var", torch.ones(replicas, channels))

    @torch.no_grad()
    def reset(self, draw: Draw) -> None:
        self.weight.fill_(1)
        self.bias.zero_()

    def forward(self, x: Tensor) -> Tensor:
        k = x.shape[0]
        if x.device.type == "cpu" and (x.ndim > 3 or x.shape[2] % _VECTOR):
            turns = zip(*(t.unbind(0) for t in (x, *self._tensors())), strict=True)
            # Channels last, as from `Conv2d`, whatever comes in: torch.stack keeps the order of the maps.
            return torch.stack([self._norm(*one).movedim(1, -1) for one in turns]).movedim(-1, 2)
        if x.requires_grad:
            # Folding would hand on a gradient in the order B, K, C, in which a bias' sum over B rounds by K.
            x.register_hook(Tensor.contiguous)
        out = self._norm(x.transpose(0, 1).flatten(1, 2), *(t.view(-1) for t in self._tensors()))
        unfolded: Tensor = out.unflatten(1, (k, -1)).transpose(0, 1)
        return unfolded

    def _tensors(self) -> tuple[Tensor, ...]:
        return self.running_mean, self.running_var, self.weight, self.bias

    def _norm(self, x: Tensor, mean: Tensor, var: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
        return F.batch_norm(x, mean, var, weight, bias, training=self.training)


class LayerNorm(nn.Module):
    """K layer norms over the last axis of x [K, ..., F] (Ba et al. 2016, arXiv:1607.06450), with torch's eps."""

    def __init__(self, replicas: int, features: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(replicas, features))
        self.bias = nn.Parameter(torch.zeros(replicas, features))

    @torch.no_grad()
    def reset(self, draw: Draw) -> None:
        self.weight.fill_(1)
        self.bias.zero_()

    def forward(self, x: Tensor) -> Tensor:
        # The replicas take turns: their gradients are sums over everything but the features, and a sum over part of a stack
        # adds in an order that depends on the stack.
        turns = zip(x.unbind(0), self.weight.unbind(0), self.bias.unbind(0), strict=True)
        return torch.stack([F.layer_norm(one, one.shape[-1:], weight, bias) for one, weight, bias in turns])

"""Batch, layer and group normalisation."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from dropbench.nn.init import Draw

CHANNELS_OF_A_GROUP = 16
"""Channels per group of group norm, if 16 divides them. In Wu & He 2018, table 3, it is as good as a fixed number of groups."""
_VECTOR = 16
"""The number of float32 values in the widest vector register (AVX-512)."""


class _Scaled(nn.Module):
    """The common base: a scale and a shift for each channel or feature, [K, C]."""

    def __init__(self, replicas: int, features: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(replicas, features))
        self.bias = nn.Parameter(torch.zeros(replicas, features))

    @torch.no_grad()
    def reset(self, draw: Draw) -> None:
        """Sets the scale to one and the shift to zero; nothing is drawn."""
        self.weight.fill_(1)
        self.bias.zero_()


class BatchNorm(_Scaled):
    """K batch norms over x [K, B, C] or [K, B, C, H, W], with torch's eps and momentum.

    With the replica axis folded into the channels, torch's own kernel normalises the whole stack in one call. On a CPU,
    however, a channel's rounding depends on its place in a vector register. So there the replicas are normalised one after
    the other if their channels do not fill whole registers, and also over maps [H, W], where this is faster anyway.

    References
    ----------
    Ioffe and Szegedy 2015 (arXiv:1502.03167).
    """

    running_mean: Tensor
    running_var: Tensor

    def __init__(self, replicas: int, channels: int) -> None:
        super().__init__(replicas, channels)
        self.register_buffer("running_mean", torch.zeros(replicas, channels))
        self.register_buffer("running_var", torch.ones(replicas, channels))

    def forward(self, x: Tensor) -> Tensor:
        """Normalises each channel of x [K, B, C] or [K, B, C, H, W], keeping its shape."""
        k = x.shape[0]
        if x.device.type == "cpu" and (x.ndim > 3 or x.shape[2] % _VECTOR):
            turns = zip(*(t.unbind(0) for t in (x, *self._tensors())), strict=True)
            # torch.stack keeps the memory layout of its tensors: this makes it channels-last, as for `Conv2d`, for any input.
            return torch.stack([self._norm(*one).movedim(1, -1) for one in turns]).movedim(-1, 2)
        if x.requires_grad:
            # The gradient has the memory order B, K, C, in which a bias' sum over B would round depending on K.
            x.register_hook(Tensor.contiguous)
        out = self._norm(x.transpose(0, 1).flatten(1, 2), *(t.view(-1) for t in self._tensors()))
        unfolded: Tensor = out.unflatten(1, (k, -1)).transpose(0, 1)
        return unfolded

    def _tensors(self) -> tuple[Tensor, ...]:
        return self.running_mean, self.running_var, self.weight, self.bias

    def _norm(self, x: Tensor, mean: Tensor, var: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
        return F.batch_norm(x, mean, var, weight, bias, training=self.training)


class LayerNorm(_Scaled):
    """K layer norms over the last axis of x [K, ..., F], with torch's eps.

    References
    ----------
    Ba, Kiros and Hinton 2016 (arXiv:1607.06450).
    """

    def forward(self, x: Tensor) -> Tensor:
        """Normalises the last axis of x [K, ..., F], keeping its shape."""
        # One replica after the other: the gradients of weight and bias are sums over all axes except the features, and the
        # order of summation in a stack depends on the stack.
        turns = zip(x.unbind(0), self.weight.unbind(0), self.bias.unbind(0), strict=True)
        return torch.stack([F.layer_norm(one, one.shape[-1:], weight, bias) for one, weight, bias in turns])


class GroupNorm(_Scaled):
    """K group norms over x [K, B, C] or [K, B, C, H, W], with torch's eps. Groups are of each example's channels.

    With one group it is a layer norm (Ba et al. 2016), over all channels and positions of a map.

    References
    ----------
    Wu and He 2018 (arXiv:1803.08494).
    """

    def __init__(self, replicas: int, channels: int, groups: int) -> None:
        super().__init__(replicas, channels)
        self.groups = groups

    def forward(self, x: Tensor) -> Tensor:
        """Normalises each example of x, keeping its shape."""
        # One replica after the other, for the same reason as in `LayerNorm`; maps are channels last, as in `BatchNorm`.
        turns = zip(x.unbind(0), self.weight.unbind(0), self.bias.unbind(0), strict=True)
        normed = [F.group_norm(one, self.groups, weight, bias) for one, weight, bias in turns]
        return torch.stack([one.movedim(1, -1) for one in normed]).movedim(-1, 2)

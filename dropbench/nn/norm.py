"""Batch normalisation."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from dropbench.nn.init import Draw


class BatchNorm(nn.Module):
    """K batch norms over x [K, B, C] or [K, B, C, H, W] (Ioffe & Szegedy 2015), with torch's eps and momentum.

    The replica axis is folded into the channels, so that torch's own kernel does the whole stack at once.
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
        folded = x[0] if k == 1 else x.transpose(0, 1).flatten(1, 2)
        out = F.batch_norm(
            folded,
            self.running_mean.view(-1),
            self.running_var.view(-1),
            self.weight.view(-1),
            self.bias.view(-1),
            training=self.training,
        )
        return out[None] if k == 1 else out.unflatten(1, (k, -1)).transpose(0, 1)

"""Two-dimensional convolution and pooling."""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from dropbench.nn.init import Draw, fan_in_uniform


class Conv2d(nn.Module):
    """K convolutions with "same" padding: x [K, B, C, H, W] to [K, B, O, H, W].

    On a CPU the replicas are convolved one after the other. This is faster there than a grouped convolution, and gives a
    replica the same bits in any stack. On an accelerator it is one grouped convolution.

    Results have channels-last layout, in which a CPU pools several times faster.

    Parameters
    ----------
    replicas, inputs, outputs : int
        K, C and O.
    kernel : int
        Side of the kernel, odd.
    gain : float
        Factor of the initial weights' standard deviation: see `activation.gain`.
    stride : int
        Sides shrink to ceil(side / stride), as in torch with padding = kernel // 2.
    bias : bool
        False if a batch norm follows, which would subtract the bias again.
    """

    def __init__(
        self,
        replicas: int,
        inputs: int,
        outputs: int,
        kernel: int,
        gain: float = 1.0,
        stride: int = 1,
        bias: bool = True,
    ) -> None:
        super().__init__()
        self.gain = gain
        self.stride = stride
        self.weight = nn.Parameter(torch.empty(replicas, outputs, inputs, kernel, kernel))
        self.bias = nn.Parameter(torch.empty(replicas, outputs)) if bias else None
        self.incoming = {"weight": (2, 3, 4)}

    @torch.no_grad()
    def reset(self, draw: Draw) -> None:
        """Draws the initial weights and sets the bias to zero."""
        shape = tuple(self.weight.shape[1:])
        self.weight.copy_(fan_in_uniform(draw, shape, shape[1] * shape[2] * shape[3], self.gain))
        if self.bias is not None:
            self.bias.zero_()

    def forward(self, x: Tensor) -> Tensor:
        """Maps x [K, B, C, H, W] to [K, B, O, H', W'], with H' = ceil(H / stride) and W' likewise."""
        convolve = in_turn if x.device.type == "cpu" or x.shape[0] == 1 else grouped
        return convolve(x, self.weight, self.bias, self.stride)


def in_turn(x: Tensor, weight: Tensor, bias: Tensor | None, stride: int = 1) -> Tensor:
    """Computes `Conv2d` as one convolution per replica."""
    padding = weight.shape[-1] // 2
    if x.shape[2] == 1:
        # Images of one channel have the same memory in both layouts. torch tells the layouts apart by the strides, so the
        # view gets those of channels-last.
        x = x.reshape(*x.shape[:2], *x.shape[3:], 1).permute(0, 1, 4, 2, 3)
    biases = [None] * len(x) if bias is None else bias.unbind(0)
    maps = [
        F.conv2d(one, w.contiguous(memory_format=torch.channels_last), b, stride=stride, padding=padding)
        for one, w, b in zip(_replicas(x), _replicas(weight), biases, strict=True)
    ]
    if len(maps) == 1:
        return maps[0].contiguous(memory_format=torch.channels_last)[None]
    # Stacked as [K, B, H, W, O], because torch.stack keeps the maps' layout, and a 1×1 kernel keeps that of its input.
    return torch.stack([m.permute(0, 2, 3, 1) for m in maps]).permute(0, 1, 4, 2, 3)


def _replicas(x: Tensor) -> Sequence[Tensor]:
    """Returns the replicas. A single one is returned as a view whose gradient is also a view, unlike with `unbind`."""
    return x.unbind(0) if len(x) > 1 else (x.squeeze(0),)


def grouped(x: Tensor, weight: Tensor, bias: Tensor | None, stride: int = 1) -> Tensor:
    """Computes `Conv2d` as one convolution with the replicas as its groups."""
    k, b = x.shape[:2]
    maps = F.conv2d(
        x.transpose(0, 1).flatten(1, 2),
        weight.flatten(0, 1),
        None if bias is None else bias.flatten(),
        stride=stride,
        padding=weight.shape[-1] // 2,
        groups=k,
    )
    return maps.view(b, k, -1, *maps.shape[2:]).transpose(0, 1)


def pool2d(x: Tensor, kind: str) -> Tensor:
    """Halves the sides of x [K, B, C, H, W] by taking the `kind`, "max" or "avg", of each 2×2 window."""
    k = x.shape[0]
    function = F.max_pool2d if kind == "max" else F.avg_pool2d
    pooled = function(x.flatten(0, 1), 2)
    return pooled.view(k, -1, *pooled.shape[1:])
